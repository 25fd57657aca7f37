"""Requests to stop: Ctrl-C (SIGINT), SIGTERM and SIGUSR1, which end a run in the same way."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from .ranks import asked_ranks

_MOMENT = 1.0  # seconds
_OF_SCHEDULERS = (signal.SIGTERM, *([signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else []))  # Windows has one
STOPPING = (signal.SIGINT, *_OF_SCHEDULERS)
LEFT_TO_PARENT = frozenset(STOPPING) - {signal.SIGTERM}
"""What a worker ignores, as its parent handles it; by SIGTERM parents end their workers."""


class Terminated(KeyboardInterrupt):
    """A signal of a scheduler, raised where Ctrl-C would raise `KeyboardInterrupt`; `signal` is its number."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(f"stopped by signal {number}")
        self.signal = number


def exit_code(stopping: int) -> int:
    """Return the exit code of a process stopped by a signal: 130 for SIGINT, 143 for SIGTERM, 138 for SIGUSR1."""
    return 128 + stopping


class StopRequest:
    """Whether a stop was requested, and by which signal."""

    def __init__(self) -> None:
        self.signal = 0
        self._since = 0.0

    def is_set(self) -> bool:
        return self.signal != 0

    def remember(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: the first is recorded, the second interrupts at once.

        Another within a moment is the same request, as `timeout`, torchrun and schedulers send theirs to the process
        and to its group; but Ctrl-C is that of a user who insists.
        """
        insisted = number == signal.SIGINT and asked_ranks() == 1
        if self.signal and not insisted and time.monotonic() - self._since < _MOMENT:
            return
        if self.signal:
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)
        self.signal, self._since = number, time.monotonic()


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Yield a `StopRequest` that records Ctrl-C, SIGTERM and SIGUSR1 until the block ends; a second one interrupts
    at once.

    Outside the main thread no signal arrives.
    """
    asked = StopRequest()
    with _handled(dict.fromkeys(STOPPING, asked.remember)):
        yield asked


@contextmanager
def signals_as_interrupt() -> Iterator[StopRequest]:
    """Raise `Terminated` on SIGTERM and SIGUSR1 unless something else handles them; the `StopRequest` records it."""
    asked = StopRequest()

    def terminate(number: int, frame: FrameType | None) -> NoReturn:
        asked.signal = number
        raise Terminated(number)

    with _handled(dict.fromkeys(_OF_SCHEDULERS, terminate), only_default=True):
        yield asked


@contextmanager
def _handled(handlers: dict[signal.Signals, object], *, only_default: bool = False) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.getsignal(number) for number in handlers}
    if only_default:
        former = {number: handler for number, handler in former.items() if handler is signal.SIG_DFL}
    try:
        for number in former:
            signal.signal(number, handlers[number])  # type: ignore[arg-type]
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
