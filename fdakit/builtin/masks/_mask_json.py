"""The masks of a video in a JSON file: run lengths or boxes, decoded when a frame asks for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin import DatasetError

from ._run_lengths import check_run_lengths, decode_run_lengths, picture_size

Alpha = NDArray[np.float32]
EMPTY = (1, 1)
"""The size of the mask of a frame with an empty list, which states none."""


def listed_masks(path: Path, *, check: bool) -> Iterator[tuple[bool, float, Callable[[], Alpha]]]:
    """Yield whether a mask has a frame number, the number or time, and what decodes it.

    Raises `DatasetError` naming the entry that is malformed; with `check` its masks and boxes count too.
    """
    from fdakit.dataset_files import read_json

    found = read_json(path, "masks")
    entries = found.get("frames") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        raise DatasetError(f'{path}: wanted {{"frames": [...]}}, an object for each frame')
    for place, entry in enumerate(entries):
        where = f"{path}: frames[{place}]"
        try:
            numbered, key = _key(entry)
            if check:
                _check_content(entry)
        except ValueError as error:
            raise DatasetError(f"{where}: {error}") from error
        yield numbered, key, partial(_decoded, entry, where)


def _key(entry: object) -> tuple[bool, float]:
    if not isinstance(entry, dict):
        raise ValueError(f"{entry!r}; wanted an object")
    if unknown := sorted(entry.keys() - {"frame", "time", "masks", "boxes", "size"}):
        raise ValueError(f"unknown key {unknown[0]!r}; known are frame, time, masks, boxes and size")
    if len(entry.keys() & {"frame", "time"}) != 1 or len(entry.keys() & {"masks", "boxes"}) != 1:
        raise ValueError("wanted one of frame and time, and one of masks and boxes")
    name = "frame" if "frame" in entry else "time"
    key: Any = entry[name]
    fits = type(key) is int if name == "frame" else type(key) in (int, float) and math.isfinite(key)
    if not fits or key < 0:
        raise ValueError(f"{name} is {key!r}; wanted a {'whole ' * (name == 'frame')}number from 0")
    return name == "frame", float(key)


def _check_content(entry: Mapping[str, Any]) -> None:
    """Raise `ValueError` for what could not be decoded, without the work of decoding it."""
    if "boxes" in entry:
        picture_size(entry.get("size"))
        for box in _rows(entry["boxes"]):
            _sides(box)
    elif len({check_run_lengths(_encoding(one)) for one in _rows(entry["masks"])}) > 1:
        raise ValueError("its masks are of different sizes")


def _decoded(entry: Mapping[str, Any], where: str) -> Alpha:
    try:
        _check_content(entry)
        masks = [_box_mask(entry)] if "boxes" in entry else [decode_run_lengths(_encoding(m)) for m in entry["masks"]]
    except ValueError as error:
        raise DatasetError(f"{where}: {error}") from error
    joined = np.any(masks, axis=0) if masks else np.zeros(EMPTY, np.bool_)
    return np.asarray(joined, np.float32)


def _rows(found: object) -> list[Any]:
    if not isinstance(found, list):
        raise ValueError(f"{found!r}; wanted a list")
    return found


def _encoding(record: Any) -> Any:
    """Return an encoding, also of a record of SAM that holds one as `segmentation`."""
    nested = isinstance(record, dict) and "segmentation" in record
    return record["segmentation"] if nested else record


def _sides(box: Any) -> tuple[float, float, float, float]:
    numbers = isinstance(box, list) and len(box) == 4 and all(type(side) in (int, float) for side in box)
    if not numbers or not all(map(math.isfinite, box)) or min(box[2:]) < 0:
        raise ValueError(f"box {box!r}; wanted [x, y, width, height] in pixels")
    x, y, wide, high = box
    return x, y, wide, high


def _box_mask(entry: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return a mask of the pixels whose centres lie in a box `[x, y, width, height]` in pixels."""
    height, width = picture_size(entry.get("size"))
    mask = np.zeros((height, width), np.bool_)
    for x, y, wide, high in map(_sides, entry["boxes"]):
        rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
        mask |= ((rows >= y) & (rows < y + high))[:, None] & (columns >= x) & (columns < x + wide)
    return mask
