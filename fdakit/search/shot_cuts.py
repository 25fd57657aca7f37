"""Where a film is cut, from two small frames a second and, around each cut, the frames between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdakit.mask_ops.cut_detection import cuts_among, scene_changes
from fdakit.video.decode import OpenVideo

RATE = 2.0
"""Frames a second that are compared."""

_SIDE = 64  # px of the shorter side
_CHUNK = 256  # frames read at once
_AROUND = 12  # changes before and after, to which one is compared


def cut_times(opened: OpenVideo) -> list[float]:
    """Return the time of the first frame after each cut, in seconds. Raises `VideoError` if decoding fails."""
    times = opened.times()
    sampled = np.unique(np.searchsorted(times, np.arange(0.0, float(times[-1]) + 1e-9, 1 / RATE)))
    sampled = sampled[sampled < len(times)]
    found = np.flatnonzero(film_cuts(_changes(opened, sampled)))
    return [float(times[_first_after(opened, int(sampled[one]), int(sampled[one + 1]))]) for one in found]


def film_cuts(changes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which of a film's changes `(t,)`, in its order, are cuts: the rule of clips, applied around each.

    So wild parts of a long film are not measured by its quiet ones.
    """
    firsts = [max(0, place - _AROUND) for place in range(len(changes))]
    near = [cuts_among(changes[first : place + _AROUND + 1]) for place, first in enumerate(firsts)]
    return np.array([cuts[place - first] for place, (first, cuts) in enumerate(zip(firsts, near, strict=True))], bool)


def _changes(opened: OpenVideo, sampled: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how far each sampled frame but the first is from the scene of the one before."""
    found = [np.zeros(0)]
    last: NDArray[np.uint8] | None = None
    for start in range(0, len(sampled), _CHUNK):
        frames = _frames(opened, sampled[start : start + _CHUNK])
        joined = frames if last is None else np.concatenate([last, frames])
        if len(joined) > 1:
            found.append(scene_changes(joined[:-1], joined[1:]))
        last = frames[-1:]
    return np.concatenate(found)


def _first_after(opened: OpenVideo, before: int, after: int) -> int:
    """Return the first frame that is nearer to the scene of `after` than to that of `before`."""
    ends = _frames(opened, np.array([before, after]))
    while after - before > 1:
        middle = (before + after) // 2
        frame = _frames(opened, np.array([middle]))
        left, right = scene_changes(ends[:1], frame)[0], scene_changes(frame, ends[1:])[0]
        if left <= right:
            before = middle
        else:
            after = middle
    return after


def _frames(opened: OpenVideo, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    frames: NDArray[np.uint8] = opened.read(indices, size=_small).frames
    return frames


def _small(own: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, _SIDE / min(own))
    return max(1, round(own[0] * scale)), max(1, round(own[1] * scale))
