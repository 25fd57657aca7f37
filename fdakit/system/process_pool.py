"""Work in isolated processes: a task that hangs or crashes its process becomes a failure, and the rest continues."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from fdakit.errors import FdakitError

from .piped_process import PipedProcess, ending

T = TypeVar("T")
R = TypeVar("R")

_READY = "ready"
BEAT = 1.0
"""Seconds between two checks of the clock."""


@dataclass(frozen=True)
class Failure:
    """A task without a result, and why, as text."""

    reason: str


def run_isolated(
    function: Callable[[T], R], tasks: Iterable[T], *, jobs: int, time_limit: float
) -> Iterator[tuple[T, R | Failure]]:
    """Yield `(task, function(task))` for every task as it finishes, in up to `jobs` processes.

    A task that takes more than `time_limit` seconds (0: no limit), raises, or whose process dies gives a `Failure`;
    the process is replaced. `function` must be at module level; tasks and results are pickled. Leaving early, also by
    Ctrl-C, ends the processes. Raises `FdakitError` if none can be started.
    """
    waiting = deque(tasks)
    slots: list[_IsolatedProcess[T, R]] = []
    clock = WakingClock()
    try:
        while waiting or slots:
            while len(slots) < jobs and sum(slot.task is None for slot in slots) < len(waiting):
                slots.append(_IsolatedProcess(function, clock))
            ended = wait([slot.pipe for slot in slots], timeout=min([BEAT, *(slot.left() for slot in slots)]))
            clock.tick()
            for slot in list(slots):
                task = slot.task
                outcome = slot.heard() if slot.pipe in ended else slot.overdue()
                if slot.gone or (slot.idle and not waiting):
                    slots.remove(slot)
                    slot.end()
                elif slot.idle:
                    slot.give(waiting.popleft(), time_limit=time_limit)
                if outcome is not None:
                    assert task is not None
                    yield task, outcome
    finally:
        for slot in slots:
            slot.end()


class WakingClock:
    """Seconds that this process was awake, so that a scan suspended by Ctrl-Z or sleep does not exceed all limits."""

    def __init__(self) -> None:
        self.now = 0.0
        self._last = time.monotonic()

    def tick(self) -> None:
        """Count the time since the last tick, but at most a few beats of it."""
        now = time.monotonic()
        self.now += min(now - self._last, 3 * BEAT)
        self._last = now


class _IsolatedProcess(Generic[T, R]):
    """One process and its current task."""

    def __init__(self, function: Callable[[T], R], clock: WakingClock) -> None:
        self._process = PipedProcess(_work, function)
        self.pipe = self._process.pipe
        self.task: T | None = None
        self.idle = self.gone = self._started = False
        self._clock = clock
        self._limit = 0.0
        self._deadline = math.inf

    def give(self, task: T, *, time_limit: float) -> None:
        """Send the next task; its time starts."""
        self.task, self.idle, self._limit = task, False, time_limit
        self._deadline = self._clock.now + time_limit if time_limit else math.inf
        try:
            self.pipe.send(task)
        except OSError:
            return  # it has just died, which the next read of the pipe will show

    def heard(self) -> R | Failure | None:
        """Return what the process sent, or a `Failure` if it has died; None for its first message."""
        try:
            said: Any = self.pipe.recv()
        except (EOFError, OSError):
            code = self._process.exit_code()
            self.gone = True
            if not self._started:
                raise FdakitError(
                    f"a reading process {ending(code)} before it began; a script that starts some needs "
                    '`if __name__ == "__main__":` around its calls'
                ) from None
            return Failure(f"its reading process {ending(code)}") if self.task is not None else None
        self.idle, self.task, self._deadline = True, None, math.inf
        if not self._started:
            self._started = True
            return None
        outcome: R | Failure = said
        return outcome

    def left(self) -> float:
        """Return the seconds until the time limit."""
        return max(0.0, self._deadline - self._clock.now)

    def overdue(self) -> Failure | None:
        """Return a `Failure` if the time limit has passed."""
        if self.left() > 0:
            return None
        self.gone = True
        return Failure(f"took longer than {self._limit:g} s and was stopped")

    def end(self) -> None:
        """Kill the process, whatever it does."""
        self._process.end()


def _work(pipe: Connection[Any, Any], function: Callable[[Any], Any]) -> None:
    """Run tasks until the pipe closes."""
    pipe.send(_READY)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        try:
            outcome = function(task)
        except Exception as error:  # noqa: BLE001 - one file's error must not end a scan of thousands
            outcome = Failure(f"{type(error).__name__}: {error}")
        pipe.send(outcome)
