"""A process that is spawned to work, the pipe to it, and how it ended."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from .processes import spawn_context
from .stop_signals import LEFT_TO_PARENT

_PATIENCE = 5.0  # seconds for a killed process to exit; one that waits for a lost disk never does


class PipedProcess:
    """A process that runs `target(pipe, *args)`, with this end of its `pipe`.

    It ignores Ctrl-C and SIGUSR1, which its parent handles, and does not outlive its parent. `target` must be at
    module level.
    """

    def __init__(self, target: Callable[..., None], *args: Any) -> None:
        context = spawn_context()
        self.pipe, far = context.Pipe()
        self._process = context.Process(target=_without_interrupts, args=(target, far, *args), daemon=True)
        with interrupts_held():
            self._process.start()
        far.close()  # so that the pipe closes when the process ends

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid or 0

    def exit_code(self) -> int | None:
        """Return the exit code of a process that has closed its pipe, or was killed; None if it does not end."""
        self._process.join(_PATIENCE)
        return self._process.exitcode

    def end(self) -> None:
        """Kill the process, whatever it does."""
        self._process.kill()
        self._process.join(_PATIENCE)
        self.pipe.close()


def _without_interrupts(target: Callable[..., None], pipe: Connection[Any, Any], *args: Any) -> None:
    for number in LEFT_TO_PARENT:
        signal.signal(number, signal.SIG_IGN)
    target(pipe, *args)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Defer Ctrl-C and SIGUSR1 to the end of the block.

    A process started inside never gets them, not even while importing.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_TO_PARENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ending(code: int | None) -> str:
    """Return how a process ended, from its exit code, as text."""
    if code is None:
        return "does not end, even when killed"
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"was killed ({name})" if name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGUSR1") else f"crashed ({name})"
