"""The mask files of a video: found by its id, listed by frame number or time, read when a frame asks for one."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin import DatasetError

from ._mask_json import listed_masks
from ._mask_paths import mask_paths

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Alpha = NDArray[np.float32]
_NAME = re.compile(r"(\d+(?:\.\d+)?)s\.png|(\d+)\.png", re.IGNORECASE)
_NAMES = "000012.png for frame 12 or 1.250s.png for 1.25 seconds"
_MODES = ("1", "L", "P", "I", "I;16", "RGB")


@dataclass(frozen=True)
class VideoMasks:
    """The masks of one video: ascending `keys`, frame numbers or else seconds, and what reads each mask."""

    source: Path
    numbered: bool
    keys: tuple[float, ...]
    readers: tuple[Callable[[], Alpha], ...]

    def nearest(self, key: float) -> tuple[int, float]:
        """Return the place of the mask nearest to a frame number or time, the earlier of two, and how far it is."""
        after = bisect_left(self.keys, key)
        near = [place for place in (after - 1, after) if 0 <= place < len(self.keys)]
        best = min(near, key=lambda place: abs(self.keys[place] - key))
        return best, abs(self.keys[best] - key)


def digest(folder: Path, video_id: str, known: dict[Path, tuple[tuple[int, int], str]]) -> str:
    """Return a digest of the names and contents of a video's mask files; "" if there are none.

    `known` keeps digests of files by size and time of change, so that none is read twice. Raises `DatasetError`, also
    if there is no such folder.
    """
    _check_folder(folder)
    found = blake2b(digest_size=16)
    pictures, table = mask_paths(folder, video_id)
    files = [*_pictures(pictures), *([table] if table.is_file() else [])]
    for path in files:
        try:
            _check_regular(path)
            state = (path.stat().st_size, path.stat().st_mtime_ns)
            if path not in known or known[path][0] != state:
                known[path] = (state, blake2b(path.read_bytes(), digest_size=16).hexdigest())
        except OSError as error:
            raise DatasetError(f"{path}: cannot be read ({error}); put the mask there again") from error
        found.update(f"{path.name}\0{known[path][1]}\0".encode())
    return found.hexdigest() if files else ""


def find_masks(folder: Path, video_id: str, *, soft: bool = False, check: bool = True) -> VideoMasks | None:
    """Return the masks of a video, None if it has no file; `soft` reads grey levels of PNG files.

    Raises `DatasetError` naming the file that is no mask file, or if there are both a folder and a JSON file; with
    `check` for each mask that could not be read, whether a frame will ask for it or not.
    """
    _check_folder(folder)
    pictures, table = mask_paths(folder, video_id)
    if pictures.is_dir() and table.is_file():
        raise DatasetError(f"video {video_id!r}: masks in {pictures} and in {table}; keep one of them")
    if table.is_file():
        return _ordered(table, list(listed_masks(table, check=check)))
    if not pictures.is_dir():
        return None
    found = _ordered(pictures, [(*_key(path), partial(_read_picture, path, soft)) for path in _pictures(pictures)])
    for path in _pictures(pictures) if check else ():
        with _opened(path) as picture:
            picture.verify()
    return found


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DatasetError(
            f"mask.folder: no folder {folder.absolute()}; give the one that holds the masks, named by video id"
        )


def _check_regular(path: Path) -> None:
    """Raise `OSError` for a folder or a pipe, for which reading would wait."""
    if not path.is_file():
        raise OSError("not a regular file")


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _key(path: Path) -> tuple[bool, float]:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise DatasetError(f"{path}: not a name of a mask; name masks {_NAMES}")
    return (True, float(match[2])) if match[2] else (False, float(match[1]))


def _ordered(source: Path, entries: list[tuple[bool, float, Callable[[], Alpha]]]) -> VideoMasks | None:
    if not entries:
        return None
    if len({numbered for numbered, _, _ in entries}) > 1:
        raise DatasetError(f"{source}: some masks have frame numbers and others times; give all of them the same")
    entries.sort(key=lambda entry: entry[1])
    keys = tuple(key for _, key, _ in entries)
    twice = next((key for key, following in pairwise(keys) if key == following), None)
    if twice is not None:
        raise DatasetError(f"{source}: {twice:g} is there twice; keep one mask of each frame")
    return VideoMasks(source, entries[0][0], keys, tuple(reader for *_, reader in entries))


def _read_picture(path: Path, soft: bool) -> Alpha:
    """Return a PNG as alpha: 1 where it is not 0; soft: grey over white, if it is one of 8 bits without a palette."""
    with _opened(path) as picture:
        picture.load()
        mode, values = picture.mode, np.asarray(picture)
    if soft and mode == "L":
        return np.asarray(values / 255, np.float32)
    return np.asarray(values.any(axis=2) if mode == "RGB" else values != 0, np.float32)


@contextmanager
def _opened(path: Path) -> Iterator[Picture]:
    """Yield an opened PNG. Raises `DatasetError` if it cannot be read, or is of a kind that no mask is."""
    from PIL import Image

    try:
        _check_regular(path)
        with Image.open(path, formats=("PNG",)) as picture:
            if picture.mode not in _MODES:
                raise DatasetError(
                    f"{path}: a PNG of kind {picture.mode}, with transparency; save the mask in one channel"
                )
            yield picture
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path}: cannot be read as PNG ({error}); write the mask again") from error
