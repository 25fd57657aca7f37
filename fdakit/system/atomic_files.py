"""Atomic writes of files, on disk before they get their name.

A kill, a full disk or a power cut leaves the former state or the new one. Only a kill leaves something behind: the
hidden `.part` file of that process.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fdakit.errors import FdakitError

_ADVICE = "make room there, correct its permissions, or name another place"
_LIBRARY_FAULTS = {"SafetensorError", "FFmpegError"}  # exceptions of safetensors and PyAV for a failed write
_TORCH_FAULTS = (
    "PytorchStreamWriter",
    "inline_container",
    "iostream error",
)  # in torch's RuntimeError for a failed write
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # lone surrogates that no encoding has; the others represent bytes


@contextmanager
def write_errors(path: Path, *, error: type[FdakitError] = FdakitError, advice: str = _ADVICE) -> Iterator[None]:
    """Turn disk errors into `error`, with the path, the cause and what to do next."""
    try:
        yield
    except OSError as fault:
        raise error(f"{path.absolute()}: cannot be written ({fault.strerror or fault}); {advice}") from fault
    except Exception as fault:
        if not _failed_write(fault):
            raise
        raise error(f"{path.absolute()}: cannot be written ({_reason(fault)}); {advice}") from fault


def _reason(fault: BaseException) -> str:
    """Return the system's reason for a library's own exception, or else its first line."""
    below = fault.__context__
    while below is not None and not isinstance(below, OSError):
        below = below.__context__
    said = below.strerror if isinstance(below, OSError) else None
    return said or str(fault).strip().partition("\n")[0]


def _failed_write(fault: Exception) -> bool:
    """Return whether a library's own exception means that a file could not be written."""
    kinds = {kind.__name__ for kind in type(fault).__mro__}
    return bool(kinds & _LIBRARY_FAULTS) or any(said in str(fault) for said in _TORCH_FAULTS)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a hidden path next to `path` to write to, and rename it when the block ends.

    Creates the folders above; the file has the mode of any new one. If the block raises, nothing is left and the
    former file remains. Raises `OSError` of the system, and for a device or a pipe at `path`: callers convert it by
    `write_errors`.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise FileExistsError(errno.EEXIST, "a device or a pipe is there")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _part_of(path)
    remove(part)
    try:
        mode = _usual_mode(part)
        yield part
        if part.is_file() and stat.S_IMODE(part.stat().st_mode) != mode:
            part.chmod(mode)  # safetensors creates files that only their owner may read
        sync(part)
        part.replace(path)
        sync(path.parent)
    finally:
        remove(part)


def _usual_mode(path: Path) -> int:
    """Return the mode of a new file at `path`, as the system sets it; leaves none there. Raises `OSError`."""
    path.touch(exist_ok=False)
    try:
        return stat.S_IMODE(path.stat().st_mode)
    finally:
        path.unlink()


def write_bytes(path: Path, content: bytes, *, error: type[FdakitError] = FdakitError, advice: str = _ADVICE) -> None:
    """Write a file atomically, with the folders above it. Raises `error` if it cannot be written."""
    with write_errors(path, error=error, advice=advice), atomic_file(path) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str, *, error: type[FdakitError] = FdakitError, advice: str = _ADVICE) -> None:
    """Write a UTF-8 file atomically. Raises `error` if it cannot be written."""
    write_bytes(path, encoded(text), error=error, advice=advice)


def encoded(text: str) -> bytes:
    """Return text as UTF-8: names that are not UTF-8 (`surrogateescape`) keep their bytes.

    Any other lone surrogate, as in some JSON, becomes U+FFFD.
    """
    return _LONE.sub("\ufffd", text).encode("utf-8", "surrogateescape")


def sync(path: Path) -> None:
    """Wait until a file or a folder is on disk; folders are skipped if the system cannot open them."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except (IsADirectoryError, PermissionError):
        if path.is_dir():  # Windows cannot open folders
            return
        raise
    try:
        with suppress(PermissionError):  # Windows: a file opened for reading
            os.fsync(handle)
    finally:
        os.close(handle)


def sync_below(folder: Path) -> None:
    """Wait until a folder and everything in it is on disk."""
    for place in sorted(folder.rglob("*")):
        sync(place)
    sync(folder)


def remove(path: Path) -> None:
    """Remove a file or a folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _part_of(path: Path) -> Path:
    """Return the hidden name of a file being written, short enough for a long name."""
    name = f".{path.name}.{os.getpid()}.part"
    if len(os.fsencode(name)) > 255:
        name = f".{os.getpid()}.part"
    return path.with_name(name)
