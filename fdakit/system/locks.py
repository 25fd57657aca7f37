"""Locks on folders that several processes may use. A process that ends, in whatever way, releases them."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class HeldError(Exception):
    """Another process holds the lock: which one, as text."""


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold the lock file while the block runs, then remove it. Raises `HeldError`, or `OSError` of the system."""
    handle = _locked(path, shared=False)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(handle)


@contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Make `is_free` return False while the block runs; if the lock cannot be taken, just run the block."""
    try:
        handle = _locked(path, shared=True)
    except (OSError, HeldError):
        yield
        return
    try:
        yield
    finally:
        os.close(handle)


def is_free(path: Path) -> bool:
    """Return whether no process holds the lock file, shared or not."""
    if not path.exists() or fcntl is None:
        return True
    try:
        os.close(_locked(path, shared=False, write=False))
    except HeldError:
        return False
    except OSError:
        return True
    return True


def _locked(path: Path, *, shared: bool, write: bool = True) -> int:
    """Return the open lock file, locked."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(handle, path, shared=shared)
            if fcntl is None or os.path.samestat(os.fstat(handle), path.stat()):
                if write:
                    with suppress(OSError):  # a full disk: the lock holds without its holder's name
                        os.truncate(handle, 0)
                        os.write(handle, json.dumps(_self()).encode())
                return handle
        except FileNotFoundError:
            pass  # its holder has just removed it: retry with the next file
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, path: Path, *, shared: bool) -> None:
    if fcntl is not None:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            raise HeldError(_spoken(_holder(path))) from None
        except OSError:
            pass  # some network disks have no such locks: use the content of the file
    holder = _holder(path)
    if not shared and holder and _lives(holder):
        raise HeldError(_spoken(holder))


def _self() -> dict[str, Any]:
    now = datetime.now().astimezone().isoformat(" ", "seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": now}


def _holder(path: Path) -> dict[str, Any]:
    """Return the content of the file; empty if its holder has not written it yet, or it is damaged."""
    try:
        found = json.loads(path.read_bytes()[:1000])
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _lives(holder: dict[str, Any]) -> bool:
    """Return whether a process may still exist; on another machine that is unknown."""
    pid = holder.get("pid")
    if holder.get("host") != socket.gethostname() or not isinstance(pid, int) or pid <= 0:
        return bool(holder)
    if pid == os.getpid() or os.name != "posix":  # on other systems signal 0 would end it
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _spoken(holder: dict[str, Any]) -> str:
    if not {"pid", "host", "since"} <= holder.keys():
        return "another process"
    return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
