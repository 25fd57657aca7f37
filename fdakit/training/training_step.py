"""One step of a training: losses, gradients, and the change of the weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fdakit.errors import FdakitError, PartError, attribute_errors
from fdakit.inference.factory import WeightedObjective
from fdakit.model.retriever import Retriever
from fdakit.plugin.abilities import ActsAfterStep

from .collapse_detection import CollapseSigns, chance_loss
from .forward_pass import Forward, ForwardPass
from .grouped_optimiser import GroupedOptimiser
from .shares import SharedBatch
from .step_losses import StepLosses


class TrainingStep:
    """Runs single steps; `signs` of a collapse are collected as they pass. Steps are numbered from 1."""

    def __init__(
        self,
        retriever: Retriever,
        objectives: Sequence[WeightedObjective],
        *,
        forward: Forward,
        optimiser: GroupedOptimiser,
        clip_norm: float,
        signs: CollapseSigns,
    ) -> None:
        self._retriever, self._objectives = retriever, objectives
        self._forward, self._optimiser = forward, optimiser
        self._clip_norm, self._signs = clip_norm, signs

    def __call__(self, batch: SharedBatch, *, number: int, factor: float) -> StepLosses:
        """Change the weights by one batch, at `factor` times the peak rates; return the losses before the change.

        Raises `FdakitError` if the loss is not finite, and what parts raise.
        """
        self._optimiser.begin(factor)
        done = self._forward(batch, step=number)
        self._signs.see(done.pairs.videos, done.pairs.texts.vectors, chance_loss(self._objectives, done.count))
        self._check(done, number)
        done.backward()
        where = f"at step {number}"
        self._optimiser.step(clip_norm=self._clip_norm, where=where)
        for objective in self._objectives:
            if isinstance(objective.part, ActsAfterStep):
                with attribute_errors(objective.label, f"in after_step {where}"):
                    objective.part.after_step()
        return done.losses

    def _check(self, done: ForwardPass, number: int) -> None:
        loss = done.losses.total
        if not bool(torch.isfinite(loss)):
            kind = done.first_strange()
            blamed = f", as {self._retriever.labels[kind]} gave values that are not finite" if kind else ""
            raise FdakitError(
                f"train: the loss became {float(loss.detach())} at step {number}{blamed}; lower "
                'train.learning_rate or set train.precision = "fp32"'
            )
        if not done.has_gradient:
            labels = ", ".join(objective.label for objective in self._objectives)
            raise PartError(f"{labels} failed at step {number}: the losses have no gradient")
