"""Videos with the same content under several ids: one file and segment, or files equal byte for byte."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from fdakit.values import VideoRef

_END = 1 << 16  # bytes at each end of a file, which distinguish most files of one size
_BLOCK = 1 << 20


def footage_numbers(videos: Sequence[VideoRef]) -> list[int]:
    """Return for each video the index of the first one with the same content.

    Files are compared by size first, then by their ends and only then completely. An unreadable file equals no other.
    """
    alike = _identical_files(dict.fromkeys(video.path for video in videos))
    first: dict[Hashable, int] = {}
    files = (alike.get(video.path, video.path) for video in videos)
    keys = ((str(file), video.start, video.end) for file, video in zip(files, videos, strict=True))
    return [first.setdefault(key, place) for place, key in enumerate(keys)]


def identical_videos(videos: Sequence[VideoRef]) -> dict[str, str]:
    """Map the id of every video that is not the first with its content to the id of the first."""
    numbers = enumerate(footage_numbers(videos))
    return {videos[place].id: videos[number].id for place, number in numbers if number != place}


def identical_groups(videos: Sequence[VideoRef]) -> tuple[tuple[str, ...], ...]:
    """Return groups of ids with the same content, in their order."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, leader in identical_videos(videos).items():
        groups[leader].append(name)
    return tuple((leader, *names) for leader, names in groups.items())


def _identical_files(paths: Iterable[Path]) -> dict[Path, Path]:
    """Map each file that equals an earlier one to that one."""
    groups = _split(list(paths), _size)
    for facts in (_ends, _whole):
        groups = [part for group in groups for part in _split(group, facts)]
    return {path: group[0] for group in groups for path in group[1:]}


def _split(paths: Sequence[Path], facts: Callable[[Path], Hashable]) -> list[list[Path]]:
    """Return groups of paths with equal facts, without single ones."""
    groups: Mapping[Hashable, list[Path]] = defaultdict(list)
    for path in paths:
        try:
            groups[facts(path)].append(path)
        except (OSError, ValueError):  # it is reported where it is needed
            continue
    return [group for group in groups.values() if len(group) > 1]


def _size(path: Path) -> Hashable:
    if not path.is_file():
        raise OSError("no regular file")
    return path.stat().st_size


def _ends(path: Path) -> Hashable:
    with path.open("rb") as file:
        head = file.read(_END)
        file.seek(max(0, file.seek(0, os.SEEK_END) - _END))
        return blake2b(head + file.read(_END)).digest()


def _whole(path: Path) -> Hashable:
    digest = blake2b()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.digest()
