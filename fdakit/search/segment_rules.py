"""Segments of a video: windows of a fixed length that overlap, over all of it or within each of its shots."""

from __future__ import annotations

import math
from collections.abc import Iterable

Range = tuple[float, float]
"""Start and end in seconds from the video's first frame."""

_STRETCH = 0.05  # of a window: a last one may be longer by this, so that clips of 10.04 s are one window of 10 s
SHORTEST_SHOT = 1.0
"""Seconds; a shorter shot counts as part of its neighbour."""


def windows(duration: float, window: float = 10.0, step: float = 5.0) -> list[Range]:
    """Return windows of `window` seconds every `step` seconds; the last ends at `duration`.

    The last one is as long as is left: at least half a window, at most 5% longer than one. A video that is not longer
    is one window. Raises `ValueError` unless window and step are positive and the duration is not negative.
    """
    if not (window > 0 and step > 0 and duration >= 0 and math.isfinite(duration + window + step)):
        raise ValueError(f"windows of {window} s every {step} s over {duration} s; give positive numbers")
    more = math.ceil((duration - window * (1 + _STRETCH)) / step)
    if more <= 0:
        return [(0.0, duration)]
    last = min(more * step, duration - window / 2)
    return [*((place * step, place * step + window) for place in range(more)), (last, duration)]


def shots(duration: float, cuts: Iterable[float], shortest: float = SHORTEST_SHOT) -> list[Range]:
    """Return the shots between `cuts`, given in seconds; one of less than `shortest` seconds is joined to the next.

    The last is joined to the one before. Cuts at or beyond the ends of the video are none.
    """
    kept = [0.0]
    for cut in sorted(cuts):
        if kept[-1] + shortest <= cut < duration and cut > 0:
            kept.append(cut)
    if len(kept) > 1 and duration - kept[-1] < shortest:
        del kept[-1]
    return list(zip(kept, [*kept[1:], duration], strict=True))


def shot_windows(
    duration: float,
    cuts: Iterable[float],
    window: float = 10.0,
    step: float = 5.0,
    shortest: float = SHORTEST_SHOT,
) -> list[Range]:
    """Return the windows of each shot, so that none extends over a cut. Raises `ValueError` as `windows` does."""
    found = []
    for start, end in shots(duration, cuts, shortest):
        inside = windows(end - start, window, step)
        found += [(start + first, start + last) for first, last in inside[:-1]]
        found.append((start + inside[-1][0], end))
    return found
