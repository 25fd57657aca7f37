"""For tests of writing: the machine ends, or the disk refuses, at the nth call that changes or syncs a file."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHANGES = ("mkdir", "rename", "replace", "unlink", "rmdir", "fsync")
KILLED = 86


class Calls:
    """Counts the calls of the os functions that change or sync files, and acts at the `last`."""

    def __init__(self, last: int | None, act: Callable[[], None], *, names: tuple[str, ...] = CHANGES) -> None:
        self.count = 0
        self.last = last
        self._act = act
        self._names = names

    @contextmanager
    def watched(self) -> Iterator[Calls]:
        with pytest.MonkeyPatch.context() as patch:
            for name in self._names:
                patch.setattr(os, name, self._counted(getattr(os, name)))
            yield self

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.count == self.last:
                self._act()
            return real(*args, **kwargs)

        return call


def count_changes(work: Callable[[], object]) -> int:
    """How many such calls the work makes."""
    with Calls(None, lambda: None).watched() as calls:
        work()
    return calls.count


def killed_at(moment: int, work: Callable[[], object]) -> bool:
    """Do the work in a process that ends without a word before the call number `moment`; whether it came to that."""
    child = os.fork()
    if child == 0:
        with Calls(moment, lambda: os._exit(KILLED)).watched():
            work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED


@contextmanager
def refused_at(moment: int, number: int = errno.ENOSPC) -> Iterator[Calls]:
    """The disk refuses the call number `moment`."""

    def refuse() -> None:
        raise OSError(number, os.strerror(number))

    with Calls(moment, refuse).watched() as calls:
        yield calls
