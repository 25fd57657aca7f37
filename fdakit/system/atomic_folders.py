"""Atomic writes of folders, on disk before they get their name.

Two renames exchange the former folder and the new one; a kill between them leaves both next to the final path, and
`current_folder` finds the valid one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from .atomic_files import remove, sync, sync_below

IsWhole = Callable[[Path], bool]
_LONGEST = 250  # bytes of a name that leave room for prefix and suffix


@contextmanager
def atomic_folder(folder: Path, *, keep: Path | None = None, is_whole: IsWhole | None = None) -> Iterator[Path]:
    """Yield an empty hidden folder next to `folder` to write to, and rename it when the block ends.

    Creates the folders above. Leftovers of an earlier kill are recovered first. The former folder is removed, or
    becomes `keep`. If the block raises, or a rename fails, nothing is left next to the former folder, which remains.
    Raises `OSError` of the system.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    settle_folder(folder, keep=keep, is_whole=is_whole)
    fresh, _ = _staging_paths(folder)
    try:
        fresh.mkdir()
        yield fresh
        sync_below(fresh)
        _exchange(folder, fresh, keep=keep)
    except BaseException:
        with suppress(OSError):  # report the error of the write, not of the cleanup
            remove(fresh)
        raise


def settle_folder(folder: Path, *, keep: Path | None = None, is_whole: IsWhole | None = None) -> None:
    """Complete an exchange that a kill interrupted, and remove what was only half written.

    Arguments as for `atomic_folder`. Raises `OSError` of the system.
    """
    found = current_folder(folder, is_whole=is_whole)
    if found != folder:
        found.rename(folder)
    fresh, former = _staging_paths(folder)
    remove(fresh)
    if keep is not None:
        settle_folder(keep)
        if former.exists():
            _exchange(keep, former)
    remove(former)


def _exchange(folder: Path, fresh: Path, *, keep: Path | None = None) -> None:
    _, former = _staging_paths(folder)
    if folder.exists():
        folder.rename(former)
    try:
        fresh.rename(folder)
    except OSError:
        with suppress(OSError):
            former.rename(folder)
        raise
    sync(folder.parent)
    with suppress(OSError):  # the next write completes it
        if keep is not None and former.exists():
            _exchange(keep, former)
        remove(former)


def current_folder(folder: Path, *, is_whole: IsWhole | None = None) -> Path:
    """Return the current location of a folder: its own, or next to it after a kill between the two renames.

    `is_whole` tells a complete folder from a partial one: with it, a first folder that was complete but not yet
    renamed is found too.
    """
    fresh, former = _staging_paths(folder)
    if folder.exists():
        return folder
    if former.exists():
        return fresh if fresh.exists() else former  # the former one is moved only when the new one is complete
    return fresh if is_whole is not None and fresh.is_dir() and is_whole(fresh) else folder


def _staging_paths(folder: Path) -> tuple[Path, Path]:
    """Return the paths of the next and the former state of a folder while they are exchanged."""
    place = folder if folder.name else folder.absolute()  # "." has no name, and neither has "/"
    name = place.name
    if len(os.fsencode(name)) > _LONGEST:
        name = blake2b(os.fsencode(name), digest_size=16).hexdigest()
    return place.parent / f".{name}.new", place.parent / f".{name}.old"
