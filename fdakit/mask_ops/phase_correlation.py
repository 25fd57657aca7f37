"""By how much a picture's content lies displaced in another: phase correlation (Kuglin and Hines 1975)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from .medians import lower_median

Picture = NDArray[np.float32]

_PEAKS = 4  # of the correlation that are tried


def phase_shift(before: Picture, after: Picture) -> tuple[float, float]:
    """By how many pixels (down, right) the content of `before` lies displaced in `after`; 0 where nothing tells.

    Of the highest peaks, the one that leaves the smallest median difference: something large that moves on its
    own may have the highest, but not most of the pixels. Rest, where it leaves hardly more: on an even ground all
    that moves looks like a camera's motion.
    """
    surface = _correlation(before, after)
    if surface is None:
        return 0.0, 0.0
    peaks = _peaks(surface)
    left = [_disagreement(before, after, peak) for peak in peaks]
    least = min(left)
    best = peaks[left.index(least)]
    at_rest = max(map(abs, best)) < 0.5
    if not at_rest and _disagreement(before, after, (0.0, 0.0)) <= 1.1 * least + 0.5:
        return 0.0, 0.0
    return best


def _correlation(before: Picture, after: Picture) -> Picture | None:
    """Return the phase correlation surface; None for a picture without content."""
    from scipy.fft import irfft2, rfft2

    window = _window(before.shape)
    one, other = (rfft2((picture - picture.mean()) * window) for picture in (before, after))
    cross = other * one.conj()
    size = np.abs(cross)
    if not size.max() > 0:
        return None
    surface: Picture = irfft2(cross / np.maximum(size, 1e-6 * size.max()), s=before.shape)
    return surface


def _peaks(surface: Picture) -> list[tuple[float, float]]:
    """Places of the highest peaks that do not touch, counted from -size/2 to size/2."""
    left, found = surface.copy(), []
    for _ in range(_PEAKS):
        top = np.unravel_index(int(left.argmax()), surface.shape)
        y, x = int(top[0]), int(top[1])
        found.append((_between(surface, (y, x), 0), _between(surface, (y, x), 1)))
        rows, columns = (
            np.arange(place - 2, place + 3) % size for place, size in zip((y, x), surface.shape, strict=True)
        )
        left[rows[:, None], columns] = -np.inf
    return found


def _disagreement(before: Picture, after: Picture, shift: tuple[float, float]) -> float:
    """Median difference, brightness aside, on an eighth of what both pictures show at a whole shift."""
    height, width = before.shape
    down, right = (round(step) for step in shift)
    if abs(down) > height // 2 or abs(right) > width // 2:
        return float("inf")
    seen = after[max(0, down) : height + min(0, down) : 4, max(0, right) : width + min(0, right) : 2]
    then = before[max(0, -down) : height + min(0, -down) : 4, max(0, -right) : width + min(0, -right) : 2]
    rest = seen - then
    return lower_median(np.abs(rest - lower_median(rest)))


def _between(surface: Picture, top: tuple[int, int], axis: int) -> float:
    """The peak's place along an axis, between pixels by its larger neighbour, counted from -size/2 to size/2."""
    size, place = surface.shape[axis], top[axis]

    def at(step: int) -> float:
        where = list(top)
        where[axis] = (place + step) % size
        return max(float(surface[tuple(where)]), 0.0)

    side = 1 if at(1) > at(-1) else -1
    fraction = at(side) / (at(side) + at(0)) if at(0) > 0 else 0.0
    found = place + side * fraction
    return found - size if found > size / 2 else found


@cache
def _window(shape: tuple[int, ...]) -> Picture:
    """Return a Hann window, so that the rims of the picture do not correlate."""
    rows, columns = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size) for size in shape)
    window: Picture = (rows[:, None] * columns).astype(np.float32)
    window.flags.writeable = False
    return window
