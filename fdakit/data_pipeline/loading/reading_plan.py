"""What is to be read, in which order, and how far that has come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .crew_worker import Introduced

_PARTS = 4  # a plan is handed out in so many parts of what may be read ahead, so that messages stay few


class ReadingPlan:
    """An ordered window over draws: outcomes are taken in order, and up to `ahead` draws may be given out before."""

    def __init__(self, number: int, source: Introduced, draws: Iterator[Any], ahead: int) -> None:
        self.number, self.source = number, source
        self._draws, self._ahead = draws, max(1, ahead)
        self._next = self._given = 0
        self._done: dict[int, Any] = {}
        self._lost: list[tuple[int, Any]] = []

    @property
    def finished(self) -> bool:
        """Whether nothing given out is yet to be taken."""
        return self._next == self._given

    @property
    def ready(self) -> bool:
        """Whether the next outcome is there."""
        return self._next in self._done

    def fresh(self) -> list[tuple[int, Any]]:
        """Return the draws to be given out now, by their places: first what was lost with a worker."""
        found, self._lost = sorted(self._lost, key=lambda task: task[0]), []
        room = self._ahead - (self._given - self._next)
        if room >= max(1, self._ahead // _PARTS):
            for _, draw in zip(range(room), self._draws, strict=False):
                found.append((self._given, draw))
                self._given += 1
        return found

    def done(self, place: int, outcome: Any) -> None:
        """Keep what a draw gave."""
        self._done[place] = outcome

    def lost(self, place: int, draw: Any) -> None:
        """Have a draw given out again, as the worker that had it is gone."""
        self._lost.append((place, draw))

    def take(self) -> Any:
        """Return the next outcome."""
        outcome = self._done.pop(self._next)
        self._next += 1
        return outcome
