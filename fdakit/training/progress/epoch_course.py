"""How far an epoch has come: its steps, and its seconds, those before a resume included."""

from __future__ import annotations

import time


class EpochCourse:
    """The course of one epoch after the other."""

    def __init__(self) -> None:
        self._before, self._begun = 0.0, 0.0
        self._steps = 0

    def begin(self) -> None:
        """Begin an epoch, or go on with the one that was restored."""
        self._begun = time.perf_counter()

    def plan(self, steps: int) -> None:
        """Note how many steps the epoch has."""
        self._steps = steps

    def at_end(self, step: int) -> bool:
        """Return whether `step` steps are all of the epoch, which is then yet to be completed."""
        return 0 < self._steps <= step

    @property
    def seconds(self) -> float:
        """The seconds of the epoch so far; 0 between two epochs."""
        return self._before + (time.perf_counter() - self._begun if self._begun else 0.0)

    def close(self) -> float:
        """End the epoch; return its seconds."""
        seconds = self.seconds
        self._before, self._begun, self._steps = 0.0, 0.0, 0
        return seconds

    def restore(self, seconds: float) -> None:
        """Go on with an epoch that has taken some seconds."""
        self._before = float(seconds)
