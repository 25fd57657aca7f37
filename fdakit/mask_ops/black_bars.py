"""Black bars around a picture, as letterboxing leaves them: found, and kept out of a mask.

Bars stand still whatever the camera does. Taken for a part of the picture, they vote for a camera at rest, and their
edges are marked under one that moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.values import Clip

from .postprocess import Masks

Pictures = NDArray[np.uint8]

_BLACK, _EVEN = 40, 12  # grey levels that a bar's lines do not exceed, and by which they vary at most
_BLURRED, _REACH = 64, 8  # the level, and lines at 224 px, up to which what lies before the picture is its bar's rim
_MARGIN = 3  # lines at 224 px of the picture that resizing and coding mix with the bar


@dataclass(frozen=True)
class Area:
    """The part of a picture within its bars: rows `top` to `bottom`, columns `left` to `right`, the last ones not."""

    top: int
    bottom: int
    left: int
    right: int


def active_area(frames: Pictures) -> Area:
    """Return where the frames `(t, h, w, 3)` of a clip show something besides bars that all of them have.

    It is the whole frame where there is no bar, and where bars would take more than half of a side.
    """
    height, width = frames.shape[1:3]
    scale = min(height, width) / 224
    top, bottom = (_bar((frames[:, row] for row in rows), scale) for rows in (range(height), range(height)[::-1]))
    if top + bottom > height / 2:
        top = bottom = 0
    seen = frames[:, top : height - bottom]  # corners belong to both kinds
    left, right = (_bar((seen[:, :, row] for row in rows), scale) for rows in (range(width), range(width)[::-1]))
    if left + right > width / 2:
        left = right = 0
    return Area(top, height - bottom, left, width - right)


def inside_bars(clip: Clip, masks: Callable[[Clip, float], Masks]) -> Masks:
    """Return the masks of what a clip of numpy frames shows within its bars; bars are not marked.

    `masks` is given the clip without its bars, and the scale of the whole frame: its shorter side over 224 px, by
    which radii, areas and speeds are stated.
    """
    area = active_area(clip.frames)
    height, width = clip.frames.shape[1:3]
    scale = min(height, width) / 224
    if area == Area(0, height, 0, width):
        return masks(clip, scale)
    found = masks(_cropped(clip, area), scale)
    around = ((0, 0), (area.top, height - area.bottom), (area.left, width - area.right))
    return Masks(np.pad(found.alpha, around), found.remarks)


def _bar(lines: Iterable[Pictures], scale: float) -> int:
    """Return how many lines `(t, n, 3)` from the rim inwards belong to a bar, its blurred edge with them."""
    left = iter(lines)
    even = rim = 0
    for line in left:
        low, high = np.quantile(line, (0.01, 0.99))
        if high > _BLACK or high - low > _EVEN:
            if even:
                rim = _rim([line, *islice(left, round(_REACH * scale))])
            break
        even += 1
    return even + rim + round(_MARGIN * scale) if even else 0


def _rim(lines: list[Pictures]) -> int:
    """Return how many of the lines that follow a bar are still dark: an encoder's blocks reach over its edge."""
    dark = [float(np.quantile(line, 0.9)) <= _BLURRED for line in lines]
    return dark.index(False) if False in dark else 0


def _cropped(clip: Clip, area: Area) -> Clip:
    """Return the clip with all that belongs to its pictures, cut to an area."""

    def cut(pictures: Any) -> Any:
        return np.ascontiguousarray(pictures[:, area.top : area.bottom, area.left : area.right])

    vectors = clip.motion_vectors
    if vectors is not None:
        corner = np.array([area.left, area.top, 0, 0, 0, 0], np.float32)
        vectors = tuple(None if rows is None else rows - corner for rows in vectors)
    return replace(
        clip,
        frames=cut(clip.frames),
        neighbours={gap: cut(near) for gap, near in clip.neighbours.items()},
        luma={gap: cut(grey) for gap, grey in clip.luma.items()},
        motion_vectors=vectors,
    )
