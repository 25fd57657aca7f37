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
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty hidden folder next to `folder` to write to, and rename it when the block ends.

    Creates the folders above. Leftovers of an earlier kill are recovered first. If the block raises, or a rename
    fails, nothing is left next to the former folder, which remains. Raises `OSError` of the system.
    """
    fresh, former = _staging_paths(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if current_folder(folder) != folder:
        current_folder(folder).rename(folder)
    remove(fresh)
    remove(former)
    try:
        fresh.mkdir()
        yield fresh
        sync_below(fresh)
        _exchange(folder, fresh, former)
    except BaseException:
        with suppress(OSError):  # report the error of the write, not of the cleanup
            remove(fresh)
        raise


def _exchange(folder: Path, fresh: Path, former: Path) -> None:
    if folder.exists():
        folder.rename(former)
    try:
        fresh.rename(folder)
    except OSError:
        with suppress(OSError):
            former.rename(folder)
        raise
    sync(folder.parent)
    with suppress(OSError):  # the next write removes it
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
