"""Observers of a run, isolated from it: one that fails is reported once and left out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from fdakit.plugin.abilities import Closes, ObservesSteps
from fdakit.plugin.component import BuildContext
from fdakit.plugin.observers import RunInfo, StepInfo
from fdakit.recipe.recipe import Recipe


class ObserverGroup:
    """Calls every observer of a recipe in turn."""

    def __init__(self, observers: Sequence[tuple[str, Any]] = ()) -> None:
        self._observers = list(observers)

    @classmethod
    def of(cls, recipe: Recipe) -> ObserverGroup:
        """Build the recipe's observers."""
        shapes = BuildContext(seed=recipe.seed)
        return cls([(str(part.offer), part.build(shapes)) for part in recipe.observers])

    def run_started(self, run: RunInfo) -> None:
        self._tell("run_started", run)

    def progressed(self, what: str, done: int, total: int) -> None:
        self._tell("progressed", what, done, total)

    @property
    def observe_steps(self) -> bool:
        """Whether some observer is told of every step."""
        return any(isinstance(one, ObservesSteps) for _, one in self._observers)

    def step_finished(self, step: StepInfo) -> str:
        """Return the label of the first observer that asks the run to stop; "" if none does."""
        answers = self._tell("step_finished", step, only=ObservesSteps)
        return next((label for label, answer in answers if answer is True), "")

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        self._tell("epoch_finished", facts)

    def run_finished(self, report: Mapping[str, Any]) -> None:
        self._tell("run_finished", report)

    def close(self) -> None:
        """Notify observers with a `close` that the run is over: finished, failed or interrupted."""
        self._tell("close", only=Closes)

    def _tell(self, event: str, *facts: Any, only: type = object) -> list[tuple[str, Any]]:
        """Call all observers of a type; return what each answered, by label."""
        answers: list[tuple[str, Any]] = []
        for label, observer in list(self._observers):
            if not isinstance(observer, only):
                continue
            try:
                answers.append((label, getattr(observer, event)(*facts)))
            except Exception as error:  # noqa: BLE001 - an observer must never end the run
                self._observers.remove((label, observer))
                warnings.warn(
                    f"{label} failed in {event} and is left out: {type(error).__name__}: {error}", stacklevel=2
                )
        return answers
