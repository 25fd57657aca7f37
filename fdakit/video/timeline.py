"""The frames of a file in the order they are shown, from its packets alone: when, and which packet holds each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import VideoError
from fdakit.values import VideoRef

NO_STAMP = np.iinfo(np.int64).min
_RATE = Fraction(25)  # frames a second where a file states neither times nor a rate


@dataclass(frozen=True)
class PacketIndex:
    """What the packets of a stream say, in file order, one entry a packet `(p,)`.

    `stamps` int64 presentation times in ticks (`NO_STAMP` where there is none), `keys` whether decoding can begin
    there, `hidden` whether the packet is only read for what comes after it. `tick` and `rate`: seconds a tick and
    frames a second, None where the file states none.
    """

    stamps: NDArray[np.int64]
    keys: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    tick: Fraction | None
    rate: Fraction | None


@dataclass(frozen=True)
class Timeline:
    """Frames by position, the order they are shown in: sorted by pts, ties in decode order.

    `times (n,)` seconds from the first frame; `packets (n,)` the packet of each frame. Where any pts is missing,
    `stamped` is False, frames stand in packet order, and times count at the average rate the file states.
    """

    index: PacketIndex
    times: NDArray[np.float64]
    packets: NDArray[np.int64]
    stamped: bool

    @cached_property
    def distinct(self) -> bool:
        """Whether a pts alone says which frame it is."""
        return self.stamped and len(np.unique(self.stamps)) == len(self.stamps)

    @cached_property
    def stamps(self) -> NDArray[np.int64]:
        """Pts of each position `(n,)`, ascending; all 0 where they are missing."""
        return self.index.stamps[self.packets] if self.stamped else np.zeros(len(self.packets), np.int64)

    @cached_property
    def places(self) -> dict[tuple[int, int], int]:
        """Position of each (pts, how many frames of that pts were decoded before)."""
        seen: Counter[int] = Counter()
        found = {}
        for position, stamp in enumerate(self.stamps.tolist()):
            found[stamp, seen[stamp]] = position
            seen[stamp] += 1
        return found

    def segment(self, video: VideoRef) -> tuple[int, int]:
        """First position with `start <= t` and first with `t >= end`. Raises `VideoError` where none lies between."""
        first = 0 if video.start is None else int(np.searchsorted(self.times, video.start))
        last = len(self.times) if video.end is None else int(np.searchsorted(self.times, video.end))
        if first >= last:
            raise VideoError(
                f"{video.path.absolute()}: video {video.id!r} has none of its {len(self.times)} frames, from 0.0 "
                f"to {self.times[-1]:.3f} s, in the segment from {video.start} to {video.end} s; correct its start "
                "and end"
            )
        return first, last


def build_timeline(index: PacketIndex) -> Timeline:
    """The timeline of at least one packet that is shown."""
    shown = np.flatnonzero(~index.hidden)
    stamps = index.stamps[shown]
    stamped = bool((stamps != NO_STAMP).all())
    order = np.argsort(stamps, kind="stable") if stamped else np.arange(len(shown))
    if stamped and index.tick is not None:
        unit, ticks = index.tick, stamps[order] - stamps[order[:1]].sum()
    else:
        unit, ticks = 1 / (index.rate or _RATE), np.arange(len(shown))
    # One division of whole numbers, so that 0.4 s is 0.4.
    times = ticks * unit.numerator / np.float64(unit.denominator)
    return Timeline(index, times, shown[order], stamped)
