"""The steps of frame-difference told a second time, plainly: without any library of images."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.builtin.masks.frame_difference import FRAME_DIFFERENCE
from fdakit.plugin import Clip
from fdakit.testing.building import build_part

Frames = NDArray[np.uint8]


RAW = {"closing": 0, "opening": 0, "min_area": 0}


def clip(frames: Any) -> Clip:
    frames = np.asarray(frames, np.uint8)
    return Clip("v", frames, np.arange(len(frames), dtype=np.float64))


def mask(frames: Any, **options: Any) -> NDArray[np.float32]:
    return build_part(FRAME_DIFFERENCE, **options)(clip(frames))


def grey(*pictures: Any) -> Frames:
    """RGB frames of grey pictures `(h, w)`."""
    return np.repeat(np.stack(pictures).astype(np.uint8)[..., None], 3, axis=-1)


def stamped(stamps: Any, size: int = 224, level: int = 200) -> Frames:
    """A black frame, then one with the boxes (top, bottom, left, right) at a grey level."""
    picture = np.zeros((size, size), np.uint8)
    for top, bottom, left, right in stamps:
        picture[top:bottom, left:right] = level
    return grey(np.zeros_like(picture), picture)


def told_grey(frames: Frames) -> NDArray[np.int64]:
    red, green, blue = (frames[..., k].astype(np.float64) for k in range(3))
    return np.floor(0.299 * red + 0.587 * green + 0.114 * blue + 0.5 + 1e-9).astype(np.int64)


def told_reach(seen: NDArray[np.bool_], radius: int, wants: Callable[..., Any], outside: bool) -> NDArray[np.bool_]:
    height, width = seen.shape
    around = np.full((height + 2 * radius, width + 2 * radius), outside)
    around[radius : radius + height, radius : radius + width] = seen
    shifts = [(y, x) for y in range(-radius, radius + 1) for x in range(-radius, radius + 1)]
    disk = [(y, x) for y, x in shifts if y * y + x * x <= radius * radius]
    return wants([around[radius + y :, radius + x :][:height, :width] for y, x in disk], axis=0)


def told_parts(seen: NDArray[np.bool_]) -> list[list[tuple[int, int]]]:
    left, parts = set(zip(*np.nonzero(seen), strict=True)), []
    while left:
        part, edge = [], [left.pop()]
        while edge:
            y, x = edge.pop()
            part.append((y, x))
            near = {(y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
            left -= near
            edge.extend(near)
        parts.append(part)
    return parts


def told(
    frames: Frames, threshold: int = 25, closing: int = 2, opening: int = 1, min_area: int = 64
) -> NDArray[np.float32]:
    levels, scale = told_grey(frames), min(frames.shape[1:3]) / 224
    masks = []
    for before, after in pairwise(levels):
        seen = np.abs(after - before) > threshold
        for radius, first, then in ((closing, np.any, np.all), (opening, np.all, np.any)):
            if round(radius * scale):
                for step in (first, then):
                    seen = told_reach(seen, round(radius * scale), step, outside=step is np.all)
        kept = np.zeros(seen.shape, np.float32)
        for part in told_parts(seen):
            if len(part) >= round(min_area * scale**2):
                kept[tuple(np.transpose(part))] = 1
        masks.append(kept)
    return np.stack([masks[0], *masks])
