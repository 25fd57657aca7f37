"""Frame times in seconds from the file's timestamps, made continuous where its clock jumps or restarts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

NO_STAMP = np.iinfo(np.int64).min
_RATE = Fraction(25)  # frames a second if a file states neither times nor a rate

_SHORT = 10.0  # seconds: no shorter step is a jump of the clock
_UNLIKE = 100  # nor is a step of fewer ordinary steps than this
_FAR = 2**61  # ticks; no difference of two such values overflows
_LONG = 600.0  # seconds: no frame is meant to be shown for so long


@dataclass(frozen=True)
class Timestamps:
    """`times (n,)` float64 seconds from the first frame, ascending; `jumps` the frames at which the clock jumps."""

    times: NDArray[np.float64]
    jumps: tuple[int, ...] = ()


def read_timestamps(
    stamps: NDArray[np.int64],
    *,
    tick: Fraction | None,
    rate: Fraction | None,
    invented: bool = False,
    restarts: bool = False,
    broadcast: bool = False,
) -> Timestamps:
    """Return the times of frames in presentation order, from their `stamps (n,)` in ticks.

    Without stamps, frames are spaced at the average `rate`. `invented` stamps number the frames in file order, so the
    n-th smallest is the time of the n-th frame; other stamps that decrease are an error of the same kind, unless time
    `restarts`. A step is a jump if it is over 10 s, over 100 ordinary steps, and longer than all others together or
    10 minutes; the last does not count for `broadcast` containers. A jump is replaced by an ordinary step.
    """
    count = len(stamps)
    period = 1 / (rate or _RATE)
    known = stamps != NO_STAMP
    if tick is None or not known.any():
        return Timestamps(_seconds(np.arange(count), period))
    filled = stamps if known.all() else _filled(stamps, known, ordinary=max(1, round(period / tick)))
    if max(-int(filled.min()), int(filled.max())) > _FAR:
        filled = filled.clip(-_FAR, _FAR)
    steps = np.diff(filled)
    falls = count > 1 and bool(steps.min() < 0)
    if (falls and not restarts) or invented:
        filled, falls = np.sort(filled), False
        steps = np.diff(filled)
    if count < 2 or (not falls and steps.max() * float(tick) <= _SHORT):
        return Timestamps(_seconds(filled - filled[0], tick))
    forward = np.sort(steps[steps > 0])
    ordinary = int(forward[(len(forward) - 1) // 2]) if len(forward) else max(1, round(period / tick))
    jumps = _jumps(steps, ordinary=ordinary, tick=float(tick), broadcast=broadcast)
    steps = np.where(jumps | (steps < 0), ordinary, steps)
    times = _seconds(np.concatenate([[0], np.cumsum(steps)]), tick)
    return Timestamps(times, tuple((np.flatnonzero(jumps) + 1).tolist()))


def _seconds(ticks: NDArray[np.int64], unit: Fraction) -> NDArray[np.float64]:
    """Return ticks in seconds by one integer division, so that 0.4 s is 0.4."""
    seconds: NDArray[np.float64] = ticks * unit.numerator / np.float64(unit.denominator)
    return seconds


def _filled(stamps: NDArray[np.int64], known: NDArray[np.bool_], *, ordinary: int) -> NDArray[np.int64]:
    """Return the stamps with missing ones an ordinary step after the frame before (at the start, before the next)."""
    found = stamps.copy()
    first = int(np.argmax(known))
    found[:first] = found[first] - ordinary * np.arange(first, 0, -1)
    for place in np.flatnonzero(~known[first:]) + first:
        found[place] = found[place - 1] + ordinary
    return found


def _jumps(steps: NDArray[np.int64], *, ordinary: int, tick: float, broadcast: bool) -> NDArray[np.bool_]:
    seconds = steps * tick
    unlike = (seconds > _SHORT) & (steps > _UNLIKE * ordinary)
    if broadcast or not unlike.any():
        return unlike
    rest = float(seconds[~unlike & (steps > 0)].sum())
    jumps: NDArray[np.bool_] = unlike & (seconds > min(_LONG, rest))
    return jumps
