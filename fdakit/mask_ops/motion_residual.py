"""Motion of points relative to the camera, and block values rendered as an image.

Points and displacements are (x, y), to the right and down, in px.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .compensation import CameraRule

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_POINTS = 4000  # sampled for the camera estimate: more add nothing
_ROUNDS = 6  # of reweighted least squares


def residual_motion(
    places: Floats,
    moved: Floats,
    *,
    weights: Floats | None = None,
    camera: CameraRule = "translation",
    spans: tuple[float, ...] = (1.0,),
) -> Floats:
    """Return the length in px of each point's motion relative to the camera, `(n,)`.

    `places` are the points and `moved` their displacements, both `(n, 2)`. The camera's motion is what most of the
    frame does: the median of each axis (translation), or a shift, rotation and zoom fitted robustly (similarity).
    `weights (n,)` are the frame areas that the points represent. `spans` are the time spans over which a displacement
    may have been measured, as multiples of the usual one: of the camera's motions over these spans, the one closest
    to the point's displacement is subtracted.
    """
    if not len(places):
        return np.zeros(0, np.float32)
    usual = _camera(places, moved, np.ones(len(places), np.float32) if weights is None else weights, camera)
    found = _length(moved - np.float32(spans[0]) * usual)
    for span in spans[1:]:
        found = np.minimum(found, _length(moved - np.float32(span) * usual))
    return found


def _length(moved: Floats) -> Floats:
    return np.asarray(np.hypot(moved[:, 0], moved[:, 1]), np.float32)


def _camera(places: Floats, moved: Floats, weights: Floats, rule: CameraRule) -> Floats:
    """Return the camera's displacement at each place `(n, 2)`, or one for all `(2,)`."""
    if rule == "none":
        return np.zeros(2, np.float32)
    step = -(-len(places) // _POINTS)
    few, theirs, weigh = places[::step], moved[::step], weights[::step]
    if rule == "translation" or len(few) < 8:
        return np.array([_median(way, weigh) for way in theirs.T], np.float32)
    return _similarity(places, few, theirs, weigh)


def _median(values: Floats, weights: Floats) -> np.float32:
    """Return the lower weighted median."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order], dtype=np.float64)
    return np.float32(values[order][np.searchsorted(total, total[-1] / 2)])


def _similarity(places: Floats, few: Floats, moved: Floats, weights: Floats) -> Floats:
    """Return the displacement by a shift, rotation and zoom at each point.

    Fitted to the points `few` by least squares with Cauchy weights.
    """
    x, y = few.T.astype(np.float64)
    none, one = np.zeros_like(x), np.ones_like(x)
    # right = zoom x - turn y + shift, down = zoom y + turn x + shift
    rows = np.concatenate([np.stack([x, -y, one, none], 1), np.stack([y, x, none, one], 1)])
    wanted, weigh = moved.T.ravel().astype(np.float64), np.sqrt(weights.astype(np.float64))
    found: Doubles = np.zeros(4)
    agrees = one
    for _ in range(_ROUNDS):
        twice = np.tile(weigh * agrees, 2)
        found, *_ = np.linalg.lstsq(rows * twice[:, None], wanted * twice, rcond=None)
        rest = np.hypot(*np.split(rows @ found - wanted, 2))
        agrees = 1 / (1 + (rest / max(1.4826 * float(_median(rest, weights)), 0.05)) ** 2)
    (zoom, turn, right, down), (x, y) = found, places.T.astype(np.float64)
    return np.stack([zoom * x - turn * y + right, zoom * y + turn * x + down], axis=1).astype(np.float32)


def block_texture(grey: NDArray[np.uint8], blocks: Floats) -> Floats:
    """Return the standard deviation in grey levels `(n,)` of a frame `(h, w)` in blocks `(n, 4)`.

    0 for a block outside the frame.
    """
    left, right = _edges(blocks[:, 0], blocks[:, 2], grey.shape[1])
    top, bottom = _edges(blocks[:, 1], blocks[:, 3], grey.shape[0])
    level = grey.astype(np.float64) - grey.min()
    count = np.maximum((right - left) * (bottom - top), 1)
    mean, square = (
        (table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]) / count
        for table in (_sums(level), _sums(level * level))
    )
    return np.sqrt(np.maximum(square - mean * mean, 0)).astype(np.float32)


def _sums(frame: Doubles) -> Doubles:
    """Return the integral image `(h + 1, w + 1)`: the sum of all pixels above and to the left of each corner."""
    return np.pad(frame.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))


def render_blocks(blocks: Floats, values: Floats, shape: tuple[int, ...]) -> Floats:
    """Return an image `(h, w)` of blocks `(n, 4)` (centre x and y, width, height) filled with their values `(n,)`.

    A pixel takes the value of the last block that contains its centre, 0 outside all blocks.
    """
    height, width = shape
    frame: Floats = np.zeros(height * width, np.float32)
    left, right = _edges(blocks[:, 0], blocks[:, 2], width)
    top, bottom = _edges(blocks[:, 1], blocks[:, 3], height)
    wide, area = right - left, (right - left) * (bottom - top)
    # The pixels of all blocks, concatenated: for repeated indices the last value wins.
    which = np.repeat(np.arange(len(blocks)), area)
    within = np.arange(len(which)) - np.repeat(np.cumsum(area) - area, area)
    row, column = np.divmod(within, wide[which])
    frame[(top[which] + row) * width + left[which] + column] = values[which]
    return frame.reshape(shape)


def _edges(middle: Floats, size: Floats, limit: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, last = (np.clip(np.ceil(middle + half - 0.5), 0, limit).astype(np.int64) for half in (-size / 2, size / 2))
    return first, last
