"""Child processes that end with their parent, however and however early it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

_PR_SET_PDEATHSIG = 1  # of Linux's prctl


def spawn_context() -> SpawnContext:
    """Return a spawn context whose processes do not outlive their parent, even if it is killed.

    On Linux the kernel kills them; on other systems they notice the end of the parent once they have been imported.
    """
    return _Context()


class _Process(SpawnProcess):
    """A spawned process that is bound to its parent before anything that it needs is imported."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The child calls the first of these before unpickling the last, whose target may take seconds to import.
        # The kernel's signal comes when the thread that started the child ends, so only the main thread requests it.
        from_main = threading.current_thread() is threading.main_thread()
        return _bound_process, (os.getpid(), from_main), dict(vars(self))

    def run(self) -> None:
        """Watch the parent, and do the work."""
        threading.Thread(target=_leave_with_parent, name="fdakit parent watch", daemon=True).start()
        super().run()


class _Context(SpawnContext):
    Process = _Process


def _bound_process(parent: int, from_main: bool) -> _Process:
    """Bind this process to its parent and return the empty process object that is filled next."""
    if from_main and sys.platform == "linux":
        with suppress(OSError, AttributeError):  # a libc without prctl: only the watch remains
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if sys.platform != "win32" and os.getppid() != parent:
        os._exit(1)  # the parent ended before the signal was requested
    return _Process.__new__(_Process)


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
