"""A camera's motion, and a picture as that camera saw it afterwards: cubic interpolation (Keys 1981).

Pictures are float32 `(h, w)`; places are (y, x) in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Floats = NDArray[np.float64]

RIM = 12  # pixels that views may reach beyond a picture


@dataclass(frozen=True)
class Camera:
    """How the picture moved: a point p = (y, x) from the middle came from `matrix @ p + shift` of the one before."""

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]

    @property
    def plain(self) -> bool:
        """Whether it is a translation alone."""
        return bool((self.matrix == np.eye(2)).all())


def warp(picture: Picture, camera: Camera) -> tuple[Picture, NDArray[np.bool_]]:
    """Return the picture as the camera saw it afterwards, and which of its pixels come from inside the picture."""
    return _shifted(picture, camera.shift) if camera.plain else _resampled(picture, camera)


def _shifted(picture: Picture, shift: Floats) -> tuple[Picture, NDArray[np.bool_]]:
    """Return `picture(p + shift)` by separable cubic interpolation (Keys 1981); the rim is repeated outwards."""
    height, width = picture.shape
    within = inside(np.arange(height) + shift[0], height)[:, None] & inside(np.arange(width) + shift[1], width)
    return sampled(rimmed(picture), shift, range(height), range(width)), within


def rimmed(picture: Picture) -> Picture:
    """Return the picture with its outermost pixels repeated `RIM` times on all sides, for `sampled`."""
    return np.pad(picture, RIM, mode="edge")


def sampled(rimmed: Picture, shift: Floats, rows: range, columns: range) -> Picture:
    """Return the picture inside the rim at `(rows, columns) + shift`: float32 `(len(rows), len(columns))`."""
    return _along(_along(rimmed, float(shift[0]), rows, axis=0), float(shift[1]), columns, axis=1)


def _along(rimmed: Picture, shift: float, places: range, *, axis: int) -> Picture:
    whole = int(np.floor(shift))
    part = shift - whole
    if part < 1e-6:
        return _lines(rimmed, places, whole, axis=axis)
    first, *others = zip((-1, 0, 1, 2), _cubic(part), strict=True)
    found: Picture = first[1] * _lines(rimmed, places, whole + first[0], axis=axis)
    for tap, weight in others:
        found += weight * _lines(rimmed, places, whole + tap, axis=axis)
    return found


def _lines(rimmed: Picture, places: range, step: int, *, axis: int) -> Picture:
    """Rows or columns: a view where the rim is wide enough, a copy where the last of it must be repeated further."""
    first, last = places[0] + step + RIM, places[-1] + step + RIM
    if first < 0 or last >= rimmed.shape[axis]:
        wanted = np.clip(np.arange(places.start, places.stop, places.step) + step + RIM, 0, rimmed.shape[axis] - 1)
        return np.take(rimmed, wanted, axis=axis)
    taken = slice(first, last + 1, places.step)
    return rimmed[taken] if axis == 0 else rimmed[:, taken]


def _resampled(picture: Picture, camera: Camera) -> tuple[Picture, NDArray[np.bool_]]:
    from scipy.ndimage import affine_transform

    middle = (np.array(picture.shape) - 1) / 2
    offset = camera.shift + middle - camera.matrix @ middle
    found = affine_transform(picture, camera.matrix, offset, order=3, mode="nearest", output=np.float32)
    rows, columns = (np.arange(size) for size in picture.shape)
    y, x = (
        line[0] * rows[:, None] + line[1] * columns + base for line, base in zip(camera.matrix, offset, strict=True)
    )
    return found, inside(y, picture.shape[0]) & inside(x, picture.shape[1])


def inside(places: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    return np.asarray((places >= 0) & (places <= size - 1))


def _cubic(part: float) -> tuple[np.float32, ...]:
    """Keys' weights (a = -0.5) of the four pixels around a place that lies `part` behind the second of them."""

    def near(away: float) -> float:
        return (1.5 * away - 2.5) * away * away + 1

    def far(away: float) -> float:
        return ((-0.5 * away + 2.5) * away - 4) * away + 2

    return tuple(np.float32(weight) for weight in (far(1 + part), near(part), near(1 - part), far(2 - part)))
