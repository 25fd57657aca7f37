"""Estimation of the global camera motion between two frames.

Translation by phase correlation, refined by Gauss-Newton steps on the pixels that agree (Lucas and Kanade 1981, with
robust weights). Rotation and zoom from the phase correlations of blocks. Frames are float32 `(h, w)`; points are (y,
x) in pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .medians import lower_median
from .phase_correlation import phase_shift
from .warping import Camera, Floats, Frame, inside, rimmed, sampled, warp

_ROUNDS = 2  # of block matching: the second starts from the result of the first
_STEPS = 6  # of Gauss-Newton, at most


def estimate_translation(before: Frame, after: Frame) -> Camera:
    """Return the camera's translation between two frames of one shape, with sub-pixel precision.

    For speed, frames of 128 px and more are correlated at half size and refined on a quarter of the rows.
    """
    if min(before.shape) < 128:
        return Camera(np.eye(2), _block_shift(before, after))
    halves = _halved(before), _halved(after)
    coarse = _refined(*halves, -np.array(phase_shift(*halves)), stride=2, near=0.1)
    return Camera(np.eye(2), _refined(before, after, 2 * coarse, stride=4))


def estimate_similarity(before: Frame, after: Frame) -> Camera:
    """Return the camera's translation, rotation about the centre and zoom, from the shifts of overlapping blocks.

    A block with its own motion disagrees with the others and loses its weight.
    """
    camera = estimate_translation(before, after)
    size = max(32, min(before.shape) // 4)
    if min(before.shape) < 2 * size:
        return camera
    corners = [(top, left) for top in _corners(before.shape[0], size) for left in _corners(before.shape[1], size)]
    middles = np.array(corners) + (size - 1) / 2 - (np.array(before.shape) - 1) / 2
    for _ in range(_ROUNDS):
        warped, valid = warp(before, camera)
        known = [bool(valid[y : y + size, x : x + size].all()) for y, x in corners]
        if sum(known) < 4:
            return camera
        steps = [
            _block_shift(warped[y : y + size, x : x + size], after[y : y + size, x : x + size])
            for (y, x), one in zip(corners, known, strict=True)
            if one
        ]
        points = middles[known]
        camera = _fitted(points, (points + np.array(steps)) @ camera.matrix.T + camera.shift)
    return camera


def _block_shift(before: Frame, after: Frame) -> Floats:
    """Return where in `before` a block of `after` comes from, (y, x) relative to the block's position."""
    return _refined(before, after, -np.array(phase_shift(before, after)), stride=1)


def _corners(side: int, size: int) -> NDArray[np.int64]:
    """Return the start of each block of `size`, half overlapping, from one border to the other."""
    return np.linspace(0, side - size, 2 * side // size - 1).round().astype(np.int64)


def _fitted(points: Floats, sources: Floats) -> Camera:
    """Return the rotation, zoom and shift that map `points (n, 2)` to `sources`, by robust least squares."""
    y, x = points.T
    none, one = np.zeros_like(y), np.ones_like(y)
    # sources = [[a, b], [-b, a]] p + s
    rows = np.concatenate([np.stack([y, x, one, none], 1), np.stack([x, -y, none, one], 1)])
    wanted = sources.T.ravel()
    weight = np.ones(len(y))
    for _ in range(_ROUNDS + 2):
        twice = np.concatenate([weight, weight])
        (a, b, down, right), *_ = np.linalg.lstsq(rows * twice[:, None], wanted * twice, rcond=None)
        rest = np.hypot(*np.split(rows @ (a, b, down, right) - wanted, 2))
        weight = 1 / (1 + (rest / max(1.4826 * lower_median(rest), 0.05)) ** 2)
    return Camera(np.array([[a, b], [-b, a]]), np.array([down, right]))


def _refined(before: Frame, after: Frame, shift: Floats, *, stride: int, near: float = 0.02) -> Floats:
    """Return the shift of `after(p) = before(p + shift) + bias`, refined by Gauss-Newton on every stride-th row.

    Only pixels that agree count. A step of less than `near` px is the last.
    """
    height, width = after.shape
    if height < 3 or width < 3:
        return shift
    rows, columns = range(1, height - 1, stride), range(1, width - 1)
    down = (after[2::stride] - after[: height - 2 : stride])[:, 1:-1] / 2
    right = (after[1 : height - 1 : stride, 2:] - after[1 : height - 1 : stride, :-2]) / 2
    seen, rimmed_before = after[1 : height - 1 : stride, 1:-1], rimmed(before)
    for _ in range(_STEPS):
        valid = inside(np.array(rows) + shift[0], height)[:, None] & inside(np.array(columns) + shift[1], width)
        rest = seen - sampled(rimmed_before, shift, rows, columns)
        weight = _agreeing(rest, valid).astype(np.float32)
        y, x = weight * down, weight * right
        pairs = ((y, down), (x, right), (y, right), (y, rest), (x, rest))
        yy, xx, xy, gy, gx = (float(np.vdot(one, other)) for one, other in pairs)
        level = yy * xx - xy * xy
        if not level > 1e-6 * yy * xx:  # no texture, or only stripes
            return shift
        step = np.array([xx * gy - xy * gx, yy * gx - xy * gy]) / level
        shift = shift + np.clip(step, -1, 1)
        if np.abs(step).max() < near:
            break
    return shift


def _agreeing(rest: Frame, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which residuals are near their median, within three deviations by MAD.

    Brightness is removed in place.
    """
    known = rest[:, ::4][valid[:, ::4]]  # a median needs no more of them
    if not known.size:
        return valid
    middle = lower_median(known)
    rest -= middle
    spread = 1.4826 * lower_median(np.abs(known - middle))
    return np.asarray(np.abs(rest) <= 3 * max(spread, 1.0))


def _halved(frame: Frame) -> Frame:
    """Return the means of blocks of two by two pixels; an odd last row or column is dropped."""
    height, width = (side // 2 * 2 for side in frame.shape)
    even = frame[:height, :width]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) * np.float32(0.25)
