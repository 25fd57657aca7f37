"""Black bars around a frame, as letterboxing leaves them: detected, and excluded from a mask.

Bars stay still whatever the camera does. Counted as part of the frame, they bias the camera estimate towards rest,
and their edges are marked when the camera moves.
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

Frames = NDArray[np.uint8]

_BLACK, _EVEN = 40, 12  # maximal grey level and maximal variation of a bar's lines
_BLURRED, _REACH = 64, 8  # grey level and lines at 224 px of a bar's blurred edge
_MARGIN = 3  # lines at 224 px that resizing and coding blend with the bar


@dataclass(frozen=True)
class Area:
    """The area of a frame within its bars: rows `top` to `bottom`, columns `left` to `right`, ends excluded."""

    top: int
    bottom: int
    left: int
    right: int


def active_area(frames: Frames) -> Area:
    """Return the area of the frames `(t, h, w, 3)` of a clip inside the bars that all of them share.

    It is the whole frame if there are no bars, or if bars would take more than half of a side.
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
    """Return the masks of a clip of numpy frames, computed on the area within its bars; bars are not marked.

    `masks` is called with the clip cropped to that area, and the scale of the whole frame: its shorter side over 224
    px, in which radii, areas and speeds are given.
    """
    area = active_area(clip.frames)
    height, width = clip.frames.shape[1:3]
    scale = min(height, width) / 224
    if area == Area(0, height, 0, width):
        return masks(clip, scale)
    found = masks(_cropped(clip, area), scale)
    around = ((0, 0), (area.top, height - area.bottom), (area.left, width - area.right))
    return Masks(np.pad(found.alpha, around), found.remarks)


def _bar(lines: Iterable[Frames], scale: float) -> int:
    """Return how many lines `(t, n, 3)` from the border inwards belong to a bar, including its blurred edge."""
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


def _rim(lines: list[Frames]) -> int:
    """Return how many of the lines next to a bar are still dark: an encoder's blocks extend over its edge."""
    dark = [float(np.quantile(line, 0.9)) <= _BLURRED for line in lines]
    return dark.index(False) if False in dark else 0


def _cropped(clip: Clip, area: Area) -> Clip:
    """Return the clip with all per-pixel data cropped to an area."""

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
