"""Memory that a process and those it starts use together, without a name that could be left behind."""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
import uuid
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any


class SharedBlock:
    """`size` bytes, zero at first, in `buffer`; pickled to another process, they are the same bytes there.

    Memory is taken where bytes are written, and freed with the last user. It does not count against the size of
    /dev/shm, which containers often limit to 64 MB. Raises `OSError` if there is none.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        if sys.platform == "win32":
            self._name = f"fdakit-{uuid.uuid4().hex}"
            self.buffer = mmap.mmap(-1, size, tagname=self._name)
        else:
            self._file = _nameless_file()
            os.ftruncate(self._file, size)
            self.buffer = mmap.mmap(self._file, size)

    def __reduce__(self) -> tuple[Any, ...]:
        if sys.platform == "win32":
            return _attached_by_name, (self._name, self.size)
        return _attached, (DupFd(self._file), self.size)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)  # what maps the memory keeps it


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("fdakit")
    file, path = tempfile.mkstemp(prefix="fdakit-")
    Path(path).unlink()
    return file


def _attached(file: Any, size: int) -> mmap.mmap:
    number: int = file.detach()
    try:
        return mmap.mmap(number, size)
    finally:
        os.close(number)


def _attached_by_name(name: str, size: int) -> mmap.mmap:
    return mmap.mmap(-1, size, tagname=name)  # type: ignore[call-arg]  # of Windows
