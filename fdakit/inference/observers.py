"""Observers of a run, isolated from it: one that fails is reported once and left out."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import numpy as np

from fdakit.plugin.abilities import Closes, ObservesSomeSteps, ObservesSteps
from fdakit.plugin.component import BuildContext
from fdakit.plugin.observers import RunInfo, StepInfo
from fdakit.recipe.recipe import Recipe


class ObserverGroup:
    """Calls every observer of a recipe in turn."""

    def __init__(self, observers: Sequence[tuple[str, Any]] = ()) -> None:
        self._observers = list(observers)
        self._warned: set[str] = set()  # labels of observers whose answer was none
        self._told: dict[int, float] = {}  # when an observer of some steps was last told of one, by its id

    @classmethod
    def of(cls, recipe: Recipe) -> ObserverGroup:
        """Build the recipe's observers."""
        shapes = BuildContext(seed=recipe.seed)
        return cls([(str(part.offer), part.build(shapes)) for part in recipe.observers])

    def add(self, label: str, observer: Any) -> None:
        """Call another observer too, after the others."""
        self._observers.append((label, observer))

    def run_started(self, run: RunInfo) -> None:
        self._tell("run_started", run)

    def progressed(self, what: str, done: int, total: int) -> None:
        self._tell("progressed", what, done, total)

    @property
    def observe_steps(self) -> bool:
        """Whether some observer is to be told of the step that has just ended."""
        return bool(self._due())

    def step_finished(self, step: StepInfo) -> str:
        """Return the label of the first observer that asks the run to stop; "" if none does."""
        due = self._due()
        self._told |= {id(one): time.monotonic() for _, one in due}
        answers = self._tell("step_finished", step, to=due)
        for label, answer in answers:
            if not (answer is None or isinstance(answer, bool | np.bool_)):
                self._warn_of_answer(label, answer)
        return next((label for label, answer in answers if isinstance(answer, bool | np.bool_) and answer), "")

    def _warn_of_answer(self, label: str, answer: object) -> None:
        if label not in self._warned:
            self._warned.add(label)
            words = f"{label} answered {answer!r:.80} in step_finished, which stops nothing; return True or False"
            warnings.warn(words, stacklevel=3)

    def _due(self) -> list[tuple[str, Any]]:
        """Return the observers of steps, of those that observe some alone whose time has come."""
        now = time.monotonic()
        steps = [(label, one) for label, one in self._observers if isinstance(one, ObservesSteps)]
        return [
            (label, one)
            for label, one in steps
            if not isinstance(one, ObservesSomeSteps) or now >= self._told.get(id(one), -inf) + one.step_seconds
        ]

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        self._tell("epoch_finished", facts)

    def run_finished(self, report: Mapping[str, Any]) -> None:
        self._tell("run_finished", report)

    def close(self) -> None:
        """Notify observers with a `close` that the run is over: finished, failed or interrupted."""
        self._tell("close", to=[(label, one) for label, one in self._observers if isinstance(one, Closes)])

    def _tell(self, event: str, *facts: Any, to: Sequence[tuple[str, Any]] | None = None) -> list[tuple[str, Any]]:
        """Call all observers, or some; return what each answered, by label."""
        answers: list[tuple[str, Any]] = []
        for label, observer in list(self._observers if to is None else to):
            try:
                answers.append((label, getattr(observer, event)(*facts)))
            except Exception as error:  # noqa: BLE001 - an observer must never end the run
                self._observers.remove((label, observer))
                warnings.warn(
                    f"{label} failed in {event} and is left out: {type(error).__name__}: {error}", stacklevel=2
                )
        return answers
