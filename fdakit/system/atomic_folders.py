"""Folders that are written atomically, on the disk before they bear their name.

Two renames exchange the former folder and the new one; a kill between them leaves both beside the place, and
`current_folder` finds the one that counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from .atomic_files import remove, sync, sync_below

IsWhole = Callable[[Path], bool]
_LONGEST = 250  # bytes of a name that leave room for the marks around it


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Give an empty hidden folder beside `folder` to write to, and put it in its place when the block ends.

    Makes the folders above. What an earlier kill left is put right first. If the block raises, or a rename fails,
    nothing is left beside the former folder, which stands. Raises `OSError` as it comes.
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
        with suppress(OSError):  # what ended the writing is told, not what ends the clearing
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
    with suppress(OSError):  # the next writing removes it
        remove(former)


def current_folder(folder: Path, *, is_whole: IsWhole | None = None) -> Path:
    """Return where a folder lies: its place, or beside it after a kill between the two renames.

    `is_whole` tells a finished folder from one that was being written: with it, a first folder that was finished but
    not yet renamed is found too.
    """
    fresh, former = _staging_paths(folder)
    if folder.exists():
        return folder
    if former.exists():
        return fresh if fresh.exists() else former  # the former one moves only when the fresh one is whole
    return fresh if is_whole is not None and fresh.is_dir() and is_whole(fresh) else folder


def _staging_paths(folder: Path) -> tuple[Path, Path]:
    """Return where the next and the former state of a folder stand while they change places."""
    place = folder if folder.name else folder.absolute()  # "." has no name of its own, and "/" none at all
    name = place.name
    if len(os.fsencode(name)) > _LONGEST:
        name = blake2b(os.fsencode(name), digest_size=16).hexdigest()
    return place.parent / f".{name}.new", place.parent / f".{name}.old"
