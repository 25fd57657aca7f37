"""Reading of regular files up to a given size, without waiting for pipes or reading devices endlessly.

A path in a recipe, a list or a folder may lead anywhere. What is not a regular file, or larger than any file of its
kind, is rejected by name before it is read. Symbolic links are followed.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Any

from fdakit.errors import FdakitError

ADVICE = "put the file there or correct its path"
LARGEST_TEXT = 1 << 30
"""Largest text file in bytes, unless given otherwise: tables, annotations and lists."""
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # open a FIFO without waiting
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO (named pipe)"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISSOCK, "a socket"),
)


class SpecialFileError(OSError):
    """A folder, a pipe, a device or a socket in place of a regular file: which, as text."""


def open_without_waiting(path: Path) -> BufferedReader:
    """Open a regular file to read its bytes, buffered; never wait for a pipe.

    Raises `OSError` of the system, `SpecialFileError` if it is not a regular file, `ValueError` for NUL in the path.
    """
    handle = os.open(path, _FLAGS)
    try:
        _refuse_special(os.fstat(handle).st_mode)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def open_regular(path: Path, *, error: type[FdakitError] = FdakitError, advice: str = ADVICE) -> BufferedReader:
    """Open a regular file as `open_without_waiting` does.

    Raises `error` with the path and `advice` if it cannot be opened or is not a regular file.
    """
    try:
        return open_without_waiting(path)
    except (OSError, ValueError) as fault:
        raise unreadable(path, fault, error=error, advice=advice) from fault


def require_regular(path: Path, *, error: type[FdakitError] = FdakitError, advice: str = ADVICE) -> None:
    """Raise `error` unless a path leads to a regular file: for libraries that open a file by its path themselves."""
    try:
        _refuse_special(path.stat().st_mode)
    except (OSError, ValueError) as fault:
        raise unreadable(path, fault, error=error, advice=advice) from fault


def read_bytes(path: Path, *, limit: int, error: type[FdakitError] = FdakitError, advice: str = ADVICE) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    Raises `error` if it cannot be read, is not a regular file, or is larger.
    """
    with open_regular(path, error=error, advice=advice) as file:
        try:
            content = file.read(limit + 1) if os.fstat(file.fileno()).st_size <= limit else None
        except (OSError, MemoryError) as fault:
            raise unreadable(path, fault, error=error, advice=advice) from fault
    if content is None or len(content) > limit:
        raise error(f"{full(path)}: larger than {_size(limit)}, the most that is read; {advice}")
    return content


def read_text(
    path: Path,
    *,
    limit: int = LARGEST_TEXT,
    error: type[FdakitError] = FdakitError,
    advice: str = ADVICE,
    what: str = "file",
    names: bool = False,
) -> str:
    """Return the text of a UTF-8 file, its line ends unchanged; a byte order mark is dropped.

    With `names`, bytes that are not UTF-8 are preserved as by `os.fsdecode`, as file names may contain such. `what`
    describes the file in errors. Raises `error` as `read_bytes` does, and with the line if the file is not UTF-8.
    """
    content = read_bytes(path, limit=limit, error=error, advice=advice)
    try:
        # No text contains NUL, and UTF-16 is full of it.
        return content.decode("utf-8-sig", "surrogateescape" if names and b"\0" not in content else "strict")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise error(f"{full(path)}: line {line}: not UTF-8; save the {what} as UTF-8") from fault


def read_json(
    path: Path,
    *,
    limit: int = LARGEST_TEXT,
    error: type[FdakitError] = FdakitError,
    advice: str = ADVICE,
    what: str = "JSON",
    pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
) -> Any:
    """Return the content of a JSON file; `pairs_hook` makes each object of its pairs and may raise `ValueError`.

    Raises `error` as `read_text` does, and if the text is not JSON, is nested too deeply, or contains a number of
    thousands of digits.
    """
    text = read_text(path, limit=limit, error=error, advice=advice, what=what)
    try:
        return json.loads(text, object_pairs_hook=pairs_hook)
    except RecursionError as fault:
        raise error(f"{full(path)}: not readable as {what} (nested too deep); {advice}") from fault
    except (ValueError, MemoryError) as fault:
        raise error(f"{full(path)}: not readable as {what} ({fault}); {advice}") from fault


def unreadable(path: Path, fault: Exception, *, error: type[FdakitError], advice: str = ADVICE) -> FdakitError:
    """Return the error for a path that cannot be read: path, cause, and `advice`.

    Missing permissions have an advice of their own.
    """
    if isinstance(fault, PermissionError):
        advice = "correct its rights"
    if isinstance(fault, SpecialFileError):
        return error(f"{full(path)}: {fault.strerror}; {advice}")
    cause = (fault.strerror if isinstance(fault, OSError) else None) or str(fault) or type(fault).__name__
    return error(f"{full(path)}: cannot be read ({cause}); {advice}")


def full(path: Path) -> Path:
    """Return the absolute path, or the path itself if the working directory has been deleted."""
    try:
        return path.absolute()
    except OSError:
        return path


def _refuse_special(mode: int) -> None:
    if not stat.S_ISREG(mode):
        found = next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")
        raise SpecialFileError(errno.EINVAL, f"is {found}, where a regular file is read")


def _size(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count} {unit}"
        count >>= 10
    return f"{count} GiB"
