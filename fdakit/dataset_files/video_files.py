"""Video files on disk: known suffixes, and the file of an id under its possible names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from errno import EACCES
from pathlib import Path

from fdakit.errors import DatasetError

VIDEO_ENDINGS = (
    *(".mp4", ".avi", ".webm", ".mkv", ".mov", ".mpg", ".mpeg", ".m4v", ".gif", ".3gp", ".flv", ".wmv"),
    *(".ts", ".m2ts", ".mts", ".ogv", ".asf", ".vob", ".m2v", ".3g2", ".3gpp", ".qt", ".divx"),
)
"""Lower case; suffixes are compared without regard to case."""


def find_videos(folder: Path, ids: Iterable[str]) -> dict[str, Path]:
    """Return the path of each id's file below the folder; an absent one is expected as `.mp4`. Nothing is opened.

    An id names its file plus a suffix, with or without the id's own (`x.mov` in a list, `x.mp4` on disk), or without
    the dot that some ids end in. Suffixes are compared without regard to case, ids as they are; hidden files and
    folders are ignored. Of several files of an id, the most literal name is taken, then the least deep, then the
    first by path. Raises `DatasetError` if a folder is absent or cannot be read.
    """
    try:
        there = folder.is_dir()
    except OSError as error:
        raise _unreadable(folder, error) from error
    if not there:
        raise DatasetError(f"{folder.absolute()}: no such folder; put the videos there")
    names: dict[str, str] = {}  # full name -> path
    stems: dict[str, str] = {}  # name without a video suffix -> path
    for name, path in _files(str(folder)):
        names.setdefault(name, path)
        stem = _stem(name)
        if stem != name:
            stems.setdefault(stem, path)
    found = {}
    for wanted in ids:
        stem = _stem(wanted)
        path = names.get(wanted, "") if stem != wanted else ""
        for known, name in ((stems, wanted), (stems, stem), (stems, wanted.rstrip(".")), (names, wanted)):
            path = path or known.get(name, "")
        found[wanted] = Path(path) if path else folder / (wanted if stem != wanted else f"{wanted}.mp4")
    return found


def find_clips(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return the given files, and the videos below the given folders, sorted.

    Raises `DatasetError` if there is none.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.suffix.lower() in VIDEO_ENDINGS and one.is_file())
            if not inside:
                raise DatasetError(f"{path.absolute()}: no video in this folder; wanted {', '.join(VIDEO_ENDINGS)}")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise DatasetError(f"{path.absolute()}: no such file or folder; give videos or a folder of them")
    return tuple(dict.fromkeys(found))


def is_there(path: Path) -> bool:
    """Return whether the file exists and its folder is accessible."""
    try:
        return path.is_file()
    except OSError:
        return False


def _stem(name: str) -> str:
    """Return the name without its suffix, if that is a video's."""
    stem, _, ending = name.rpartition(".")
    return stem if stem and f".{ending.lower()}" in VIDEO_ENDINGS else name


def _files(folder: str) -> Iterator[tuple[str, str]]:
    """Yield name and path of each file below the folder, level by level, sorted by path; no file is opened."""
    level, seen = [folder], {os.path.realpath(folder)}
    while level:
        below: list[str] = []
        files: list[tuple[str, str]] = []
        for place in level:
            try:
                with os.scandir(place) as entries:
                    shown = [entry for entry in entries if not entry.name.startswith(".")]
                if not os.access(place, os.X_OK):  # a folder may be listable without its files being accessible
                    raise PermissionError(EACCES, os.strerror(EACCES))
            except OSError as error:
                raise _unreadable(Path(place), error) from error
            for entry in shown:
                if not entry.is_dir():
                    files.append((entry.name, entry.path))
                elif not entry.is_symlink():
                    below.append(entry.path)
                elif (real := os.path.realpath(entry.path)) not in seen:  # links may go in circles
                    seen.add(real)
                    below.append(entry.path)
        yield from sorted(files, key=lambda file: file[1])
        level = below


def _unreadable(folder: Path, error: OSError) -> DatasetError:
    return DatasetError(f"{folder.absolute()}: cannot be read ({error.strerror}); correct its rights or move it away")
