"""Camera motion and warping of frames by it, with cubic interpolation (Keys 1981).

Frames are float32 `(h, w)`; points are (y, x) in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.float32]
Floats = NDArray[np.float64]

RIM = 12  # pixels that views may reach beyond a frame


@dataclass(frozen=True)
class Camera:
    """The camera's motion: a point p = (y, x) from the centre came from `matrix @ p + shift` of the frame before."""

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]

    @property
    def plain(self) -> bool:
        """Whether the motion is a pure translation."""
        return bool((self.matrix == np.eye(2)).all())


def warp(frame: Frame, camera: Camera) -> tuple[Frame, NDArray[np.bool_]]:
    """Return the frame warped by the camera's motion, and a mask of the pixels that come from inside the frame."""
    return _shifted(frame, camera.shift) if camera.plain else _resampled(frame, camera)


def _shifted(frame: Frame, shift: Floats) -> tuple[Frame, NDArray[np.bool_]]:
    """Return `frame(p + shift)` by separable cubic interpolation (Keys 1981) with replicated borders."""
    height, width = frame.shape
    within = inside(np.arange(height) + shift[0], height)[:, None] & inside(np.arange(width) + shift[1], width)
    return sampled(rimmed(frame), shift, range(height), range(width)), within


def rimmed(frame: Frame) -> Frame:
    """Return the frame padded by `RIM` replicated pixels on all sides, for `sampled`."""
    return np.pad(frame, RIM, mode="edge")


def sampled(rimmed: Frame, shift: Floats, rows: range, columns: range) -> Frame:
    """Return the unpadded frame at `(rows, columns) + shift`: float32 `(len(rows), len(columns))`."""
    return _along(_along(rimmed, float(shift[0]), rows, axis=0), float(shift[1]), columns, axis=1)


def _along(rimmed: Frame, shift: float, places: range, *, axis: int) -> Frame:
    whole = int(np.floor(shift))
    part = shift - whole
    if part < 1e-6:
        return _lines(rimmed, places, whole, axis=axis)
    first, *others = zip((-1, 0, 1, 2), _cubic(part), strict=True)
    found: Frame = first[1] * _lines(rimmed, places, whole + first[0], axis=axis)
    for tap, weight in others:
        found += weight * _lines(rimmed, places, whole + tap, axis=axis)
    return found


def _lines(rimmed: Frame, places: range, step: int, *, axis: int) -> Frame:
    """Return rows or columns: a view where the padding is wide enough, else a copy with its last line replicated."""
    first, last = places[0] + step + RIM, places[-1] + step + RIM
    if first < 0 or last >= rimmed.shape[axis]:
        wanted = np.clip(np.arange(places.start, places.stop, places.step) + step + RIM, 0, rimmed.shape[axis] - 1)
        return np.take(rimmed, wanted, axis=axis)
    taken = slice(first, last + 1, places.step)
    return rimmed[taken] if axis == 0 else rimmed[:, taken]


def _resampled(frame: Frame, camera: Camera) -> tuple[Frame, NDArray[np.bool_]]:
    from scipy.ndimage import affine_transform

    middle = (np.array(frame.shape) - 1) / 2
    offset = camera.shift + middle - camera.matrix @ middle
    found = affine_transform(frame, camera.matrix, offset, order=3, mode="nearest", output=np.float32)
    rows, columns = (np.arange(size) for size in frame.shape)
    y, x = (
        line[0] * rows[:, None] + line[1] * columns + base for line, base in zip(camera.matrix, offset, strict=True)
    )
    return found, inside(y, frame.shape[0]) & inside(x, frame.shape[1])


def inside(places: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    return np.asarray((places >= 0) & (places <= size - 1))


def _cubic(part: float) -> tuple[np.float32, ...]:
    """Return Keys' weights (a = -0.5) of the four pixels around a point at fraction `part` after the second."""

    def near(away: float) -> float:
        return (1.5 * away - 2.5) * away * away + 1

    def far(away: float) -> float:
        return ((-0.5 * away + 2.5) * away - 4) * away + 2

    return tuple(np.float32(weight) for weight in (far(1 + part), near(part), near(1 - part), far(2 - part)))
