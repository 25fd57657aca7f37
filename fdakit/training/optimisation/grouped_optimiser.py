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
from fdakit.plugin.abilities import SwitchesWeights
from fdakit.plugin.contracts import OptimiserFactory
from fdakit.settings import TrainSettings
from fdakit.system.devices import loss_scaler
from fdakit.system.sharded_tensors import is_sharded

from .parameter_groups import parameter_groups, plan_training
from .sharded_groups import GroupLayout, clip_sharded


class GroupedOptimiser:
    """An optimiser whose groups follow one schedule, each at its own peak rate. `label` is its part's, for errors."""

    def __init__(
        self,
        optimiser: torch.optim.Optimizer,
        *,
        label: str,
        scaler: torch.amp.GradScaler | None = None,
        layout: GroupLayout | None = None,
    ) -> None:
        self._optimiser, self.label, self._scaler = optimiser, label, scaler
        self._layout = layout or GroupLayout(optimiser.param_groups)
        self._switched: bool | None = None  # whether to training, if at all
        self._peaks = [group["lr"] for group in optimiser.param_groups]

    @property
    def averages(self) -> bool:
        """Whether the optimiser has `train()` and `eval()`, as schedule-free ones, which evaluate other weights."""
        return isinstance(self._optimiser, SwitchesWeights)

    def switch(self, *, training: bool) -> None:
        """Call the optimiser's `train()` or `eval()`, if it has them and that was not the last call."""
        if isinstance(self._optimiser, SwitchesWeights) and self._switched is not training:
            with attribute_errors(self.label, "in train()" if training else "in eval()"):
                (self._optimiser.train if training else self._optimiser.eval)()
            self._switched = training

    @property
    def groups(self) -> Sequence[Mapping[str, Any]]:
        """The parameter groups, at their present rates."""
        return self._optimiser.param_groups

    @property
    def weights(self) -> Sequence[torch.Tensor]:
        """The weights of all groups, in an order that does not depend on whether some are divided over ranks."""
        return self._layout.weights

    def begin(self, factor: float) -> None:
        """Set every rate to its peak times `factor`, and drop the gradients."""
        for group, peak in zip(self._optimiser.param_groups, self._peaks, strict=True):
            group["lr"] = peak * factor
        self._optimiser.zero_grad(set_to_none=True)

    def scale(self, loss: torch.Tensor) -> torch.Tensor | None:
        """Return the factor on the loss whose gradients `step` expects, as a scalar on its device; None for 1."""
        return None if self._scaler is None else self._scaler.scale(torch.ones_like(loss))

    def step(self, *, clip_norm: float, where: str, loss: torch.Tensor) -> torch.Tensor:
        """Clip the gradients to a norm, 0 for no limit, and change the weights. Raises `PartError`.

        A step whose `loss` or gradients are not finite is refused on the device by an optimiser that can, as torch's
        fused ones: weights and state stay as they are. Return whether all were finite, a scalar, without waiting for
        it. Others take the step; under a loss scale torch waits for the device before them, and leaves it out.
        """
        if self._scaler is not None:
            self._scaler.unscale_(self._optimiser)
        taken = self._clipped(clip_norm).isfinite() & loss.detach().isfinite()
        with attribute_errors(self.label, where):
            if self._scaler is not None:
                self._scaler.step(self._optimiser)
            elif getattr(self._optimiser, "_step_supports_amp_scaling", False):
                _step_if(taken, self._optimiser)
            else:
                self._optimiser.step()
        if self._scaler is not None:
            self._scaler.update()
        return taken

    def _clipped(self, clip_norm: float) -> torch.Tensor:
        """Clip the gradients; return their norm before that."""
        weights = [weight for group in self.groups for weight in group["params"]]
        if any(map(is_sharded, weights)):
            return clip_sharded(weights, clip_norm)
        if clip_norm > 0:
            return nn.utils.clip_grad_norm_(weights, clip_norm)
        return nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])

    def state(self) -> dict[str, Any]:
        """Return tensors and plain values, for `restore`; of divided weights divided ones, numbered as if whole."""
        scaler = {} if self._scaler is None else {"scaler": self._scaler.state_dict()}
        return {**self._layout.joined_state(self._optimiser.state_dict()), **scaler}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state()`."""
        known = dict(state)
        scaler = known.pop("scaler", None)
        self._optimiser.load_state_dict(self._layout.split_state(known))
        self._switched = None
        if self._scaler is not None and scaler is not None:
            self._scaler.load_state_dict(scaler)


def _step_if(taken: torch.Tensor, optimiser: Any) -> None:
    """Take a step if the scalar `taken` is true, decided on the device: what torch's `GradScaler` does to one."""
    optimiser.grad_scale, optimiser.found_inf = None, (~taken).float()
    try:
        optimiser.step()
    finally:
        del optimiser.grad_scale, optimiser.found_inf


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
    layout = GroupLayout(groups)
    with attribute_errors(label, "while it was made"):
        made = part.build(retriever.encoder.shapes)(layout.split_groups(groups))
    check_optimiser(made, label=label)
    device = next(weight for group in groups for weight in group["params"]).device
    return GroupedOptimiser(made, label=label, scaler=loss_scaler(device, train.precision), layout=layout)
