"""COCO's run-length encoding of masks, as SAM writes it: runs of 0 and 1 in turn, down one column after the other.

Source: `maskApi.c` of the COCO API (github.com/cocodataset/cocoapi), functions rleDecode and rleFrString.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LARGEST = 1 << 28  # pixels; a picture of 16384 x 16384


def decode_run_lengths(record: object) -> NDArray[np.bool_]:
    """Return the mask `(h, w)` of `{"size": [h, w], "counts": ...}`; counts are numbers or COCO's compressed text.

    Raises `ValueError` saying what is wrong with it.
    """
    (height, width), runs = _sized_runs(record)
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def check_run_lengths(record: object) -> tuple[int, int]:
    """Return the size `(h, w)` of what `decode_run_lengths` would, and raise what it would."""
    return _sized_runs(record)[0]


def _sized_runs(record: object) -> tuple[tuple[int, int], list[int]]:
    if not isinstance(record, dict) or not {"size", "counts"} <= record.keys():
        raise ValueError('wanted {"size": [height, width], "counts": ...}')
    height, width = picture_size(record["size"])
    counts = record["counts"]
    runs = decompress_counts(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and run >= 0 for run in runs):
        raise ValueError("counts must be whole numbers from 0, or compressed text")
    if sum(runs) != height * width:
        raise ValueError(f"counts add up to {sum(runs):,} pixels; size {[height, width]} has {height * width:,}")
    return (height, width), runs


def decompress_counts(text: str) -> list[int]:
    """Return the runs of COCO's compressed text. Raises `ValueError` where it is none.

    Each character has 6 bits above "0": five of a number, lowest first, and one that says that more follow; the last
    group is signed. From the fourth on, a number is the difference to the run two before.
    """
    runs: list[int] = []
    value = bits = 0
    for place, character in enumerate(text):
        code = ord(character) - 48
        if not 0 <= code < 64 or bits > 60:
            raise ValueError(f"counts have {character!r} at {place}, which compressed counts cannot have there")
        value |= (code & 31) << bits
        bits += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << bits
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = bits = 0
    if bits:
        raise ValueError("compressed counts end inside a number")
    return runs


def picture_size(size: object) -> tuple[int, int]:
    """Return `[height, width]` as a pair. Raises `ValueError` if it is not two whole numbers from 1."""
    fits = isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)
    if not fits:
        raise ValueError(f"size is {size!r}; wanted [height, width] in pixels")
    assert isinstance(size, list)
    if size[0] * size[1] > _LARGEST:
        raise ValueError(f"size is {size!r}, which is larger than any picture")
    return size[0], size[1]
