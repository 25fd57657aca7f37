"""One step of a training: losses, gradients, and the change of the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fdakit.errors import PartError, attribute_errors
from fdakit.inference.factory import WeightedObjective
from fdakit.model.retriever import Retriever
from fdakit.plugin.abilities import ActsAfterStep

from .collapse_detection import CollapseSigns, chance_loss
from .finite_check import FiniteCheck
from .forward_pass import Forward
from .optimisation.evaluated_weights import EvaluatedWeights
from .optimisation.grouped_optimiser import GroupedOptimiser
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
        ema: float = 0.0,
    ) -> None:
        self._retriever, self._objectives = retriever, objectives
        self._forward, self._optimiser = forward, optimiser
        self._clip_norm, self._signs = clip_norm, signs
        self._check = FiniteCheck(retriever.labels)
        self.evaluated = EvaluatedWeights(list(retriever.parameters()), optimiser, decay=ema)

    def __call__(self, batch: SharedBatch, *, number: int, factor: float) -> StepLosses:
        """Change the weights by one batch, at `factor` times the peak rates; return the losses before the change.

        Nothing waits for the device, but for the step before. Raises `FdakitError` if that was not finite, and what
        parts raise.
        """
        with self._forward.step_or_nothing():
            return self._change(batch, number=number, factor=factor)

    def _change(self, batch: SharedBatch, *, number: int, factor: float) -> StepLosses:
        self._optimiser.begin(factor)
        done = self._forward(batch, step=number)
        self._signs.see(done.pairs.videos, done.pairs.texts.vectors, chance_loss(self._objectives, done.count))
        if not done.has_gradient:
            labels = ", ".join(objective.label for objective in self._objectives)
            raise PartError(f"{labels} failed at step {number}: the losses have no gradient")
        loss = done.losses.total
        scale = self._optimiser.scale(loss)
        done.backward(1.0 if scale is None else scale)
        self.settle()  # while the device is at work on this step
        where = f"at step {number}"
        taken = self._optimiser.step(clip_norm=self._clip_norm, where=where, loss=loss)
        self._check.watch(done, number=number, taken=taken, scale=scale)
        for objective in self._objectives:
            if isinstance(objective.part, ActsAfterStep):
                with attribute_errors(objective.label, f"in after_step {where}"):
                    objective.part.after_step()
        self.evaluated.step_taken()
        return done.losses

    def state(self) -> dict[str, Any]:
        """Return tensors and plain values, for `restore`. Raises `FdakitError` if the last step was not finite."""
        self.settle()
        return {"optimiser": self._optimiser.state(), **self.evaluated.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state()`."""
        self._optimiser.restore(state["optimiser"])
        self.evaluated.restore(state)

    def settle(self) -> None:
        """Wait for the last step. Raises `FdakitError` if it was not finite: its weights must not be saved."""
        self._check.settle()
