"""Requests to stop: Ctrl-C (SIGINT) and SIGTERM, which end a run in the same way."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_MOMENT = 1.0  # seconds
STOPPING = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised where Ctrl-C would raise `KeyboardInterrupt`."""


def exit_code(stopping: int) -> int:
    """Return the exit code of a process stopped by a signal: 130 for SIGINT, 143 for SIGTERM."""
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

        A repeated SIGTERM within a moment is the same request: `timeout` sends it to the process and its group.
        """
        if number == self.signal == signal.SIGTERM and time.monotonic() - self._since < _MOMENT:
            return
        if self.signal:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        self.signal, self._since = number, time.monotonic()


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Yield a `StopRequest` that records Ctrl-C and SIGTERM until the block ends; a second one interrupts at once.

    Outside the main thread no signal arrives.
    """
    asked = StopRequest()
    with _handled(dict.fromkeys(STOPPING, asked.remember)):
        yield asked


@contextmanager
def sigterm_as_interrupt() -> Iterator[StopRequest]:
    """Raise `Terminated` on SIGTERM unless something else handles it; the `StopRequest` records it."""
    asked = StopRequest()

    def terminate(number: int, frame: FrameType | None) -> NoReturn:
        asked.signal = number
        raise Terminated

    with _handled({signal.SIGTERM: terminate}, only_default=True):
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
