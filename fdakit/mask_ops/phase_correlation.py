"""The translation between two frames by phase correlation (Kuglin and Hines 1975)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from .medians import lower_median

Frame = NDArray[np.float32]

_PEAKS = 4  # of the correlation that are evaluated


def phase_shift(before: Frame, after: Frame) -> tuple[float, float]:
    """Return by how many pixels (down, right) the content of `before` is displaced in `after`; 0 if undetermined.

    Of the highest peaks, the one with the smallest median difference is taken: a large object with its own motion may
    cause the highest peak, but does not cover most of the pixels. No shift is returned if it fits almost as well: on
    a uniform background every moving object looks like camera motion.
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


def _correlation(before: Frame, after: Frame) -> Frame | None:
    """Return the phase correlation surface; None for a frame without content."""
    from scipy.fft import irfft2, rfft2

    window = _window(before.shape)
    one, other = (rfft2((frame - frame.mean()) * window) for frame in (before, after))
    cross = other * one.conj()
    size = np.abs(cross)
    if not size.max() > 0:
        return None
    surface: Frame = irfft2(cross / np.maximum(size, 1e-6 * size.max()), s=before.shape)
    return surface


def _peaks(surface: Frame) -> list[tuple[float, float]]:
    """Return the positions of the highest peaks that do not touch, counted from -size/2 to size/2."""
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


def _disagreement(before: Frame, after: Frame, shift: tuple[float, float]) -> float:
    """Return the median difference at an integer shift, without brightness, on an eighth of the overlap."""
    height, width = before.shape
    down, right = (round(step) for step in shift)
    if abs(down) > height // 2 or abs(right) > width // 2:
        return float("inf")
    seen = after[max(0, down) : height + min(0, down) : 4, max(0, right) : width + min(0, right) : 2]
    then = before[max(0, -down) : height + min(0, -down) : 4, max(0, -right) : width + min(0, -right) : 2]
    rest = seen - then
    return lower_median(np.abs(rest - lower_median(rest)))


def _between(surface: Frame, top: tuple[int, int], axis: int) -> float:
    """Return the peak's sub-pixel position along an axis, by its larger neighbour, from -size/2 to size/2."""
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
def _window(shape: tuple[int, ...]) -> Frame:
    """Return a Hann window, so that the borders of the frame do not correlate."""
    rows, columns = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size) for size in shape)
    window: Frame = (rows[:, None] * columns).astype(np.float32)
    window.flags.writeable = False
    return window
