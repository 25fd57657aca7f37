"""The first steps of a training, timed, and no more of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fdakit.inference.observers import ObserverGroup
from fdakit.plugin.observers import StepInfo
from fdakit.training.stopping import Stopped
from fdakit.training.trainer import Trainer


class _FirstSteps:
    """An observer that keeps what it is told of some steps and then asks to stop."""

    def __init__(self, steps: int, progress: Callable[[int, int], None]) -> None:
        self.told: list[StepInfo] = []
        self._steps, self._progress = steps, progress

    def progressed(self, what: str, done: int, total: int) -> None:
        """Ignore it."""

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        """Ignore it."""

    def step_finished(self, step: StepInfo) -> bool:
        self.told.append(step)
        self._progress(len(self.told), self._steps)
        return len(self.told) >= self._steps


def timed_steps(
    build: Callable[[ObserverGroup], Trainer],
    steps: int,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[StepInfo]:
    """Take the first steps of a trainer, built with the observers it is given; return what was told of each.

    Fewer if the training has fewer. The device is waited for after each step. Raises `Stopped` after Ctrl-C.
    """
    watching = _FirstSteps(steps, progress)
    trainer = build(ObserverGroup([("timing", watching)]))
    try:
        trainer.run(lambda trainer, epoch: {})
    except Stopped:
        if len(watching.told) < steps:
            raise
    return watching.told
