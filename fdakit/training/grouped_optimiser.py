"""The optimiser of a training: made of the parameter groups by the recipe's part, its errors named after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from fdakit.catalog import Part
from fdakit.data_pipeline.output_checks import check_optimiser
from fdakit.errors import FdakitError, attribute_errors
from fdakit.model.retriever import Retriever
from fdakit.plugin.contracts import OptimiserFactory
from fdakit.settings import TrainSettings

from .parameter_groups import parameter_groups, plan_training


class GroupedOptimiser:
    """An optimiser whose groups follow one schedule, each at its own peak rate. `label` is its part's, for errors."""

    def __init__(self, optimiser: torch.optim.Optimizer, *, label: str) -> None:
        self._optimiser, self._label = optimiser, label
        self._peaks = [group["lr"] for group in optimiser.param_groups]

    @property
    def groups(self) -> Sequence[Mapping[str, Any]]:
        """The parameter groups, at their present rates."""
        return self._optimiser.param_groups

    def begin(self, factor: float) -> None:
        """Set every rate to its peak times `factor`, and drop the gradients."""
        for group, peak in zip(self._optimiser.param_groups, self._peaks, strict=True):
            group["lr"] = peak * factor
        self._optimiser.zero_grad(set_to_none=True)

    def step(self, *, clip_norm: float, where: str) -> None:
        """Clip the gradients to a norm, 0 for no limit, and change the weights. Raises `PartError`."""
        if clip_norm > 0:
            nn.utils.clip_grad_norm_([p for group in self.groups for p in group["params"]], clip_norm)
        with attribute_errors(self._label, where):
            self._optimiser.step()

    def state(self) -> dict[str, Any]:
        """Return tensors and plain values, for `restore`."""
        return self._optimiser.state_dict()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state()`."""
        self._optimiser.load_state_dict(dict(state))


def build_optimiser(
    part: Part[OptimiserFactory], retriever: Retriever, objectives: Sequence[Any], train: TrainSettings
) -> GroupedOptimiser:
    """Return the optimiser of what `[train]` trains; the rest is frozen by it.

    Raises `FdakitError` if nothing trains, and `PartError` if the part gives no optimiser.
    """
    groups = parameter_groups(plan_training(retriever, objectives, train))
    if not groups:
        raise FdakitError("train: nothing in this recipe has weights to train; set train.epochs = 0 to evaluate")
    label = str(part.offer)
    with attribute_errors(label, "while it was made"):
        made = part.build(retriever.encoder.shapes)(groups)
    check_optimiser(made, label=label)
    return GroupedOptimiser(made, label=label)
