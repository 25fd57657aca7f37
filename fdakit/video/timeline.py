"""The timeline of a file from its packets alone: when each frame is shown, and which packet holds it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import VideoError
from fdakit.values import VideoRef

from .timestamps import Timestamps, read_timestamps

JUMPS = "its clock jumps; its time is taken as if it did not"


@dataclass(frozen=True)
class PacketIndex:
    """The properties of a stream's packets in file order, one entry a packet `(p,)`.

    `stamps` int64 presentation times in ticks (`NO_STAMP` if there is none), `keys` whether decoding can start there
    by the stream's own headers, `hidden` whether the packet itself yields no frame. `tick` and `rate`: seconds a tick
    and frames a second, None if the file states none. `broadcast`: the container is one whose clock may jump. `doubt`
    is why packets do not determine the frames and their order, "" if they do; `invented` and `restarts` are what this
    means for their times. `slots` are the times in ticks of packets that the container only numbers, else None.
    """

    stamps: NDArray[np.int64]
    keys: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    tick: Fraction | None
    rate: Fraction | None
    broadcast: bool = False
    doubt: str = ""
    invented: bool = False
    restarts: bool = False
    slots: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Timeline:
    """Frames by position in presentation order.

    `times (n,)` seconds from the first frame, ascending; `stamps (n,)` their pts. `packets (n,)` is the packet of
    each, None if frames are identified by their position in a full decode. `remarks` are for the user, `jumps` the
    positions before which the file's clock jumps.
    """

    index: PacketIndex
    times: NDArray[np.float64]
    stamps: NDArray[np.int64]
    packets: NDArray[np.int64] | None
    remarks: tuple[str, ...] = ()
    jumps: tuple[int, ...] = ()

    @cached_property
    def torn(self) -> bool:
        """Whether the clock jumps where decoding cannot start, among reordered frames."""
        packets = self.packets
        if packets is None or not self.jumps or (np.diff(packets) > 0).all():
            return False
        firsts = [int(packets[place:].min()) for place in self.jumps]
        return any(
            not self.index.keys[first] or packets[:place].max() > first
            for place, first in zip(self.jumps, firsts, strict=True)
        )

    @cached_property
    def places(self) -> dict[int | None, int]:
        """The position of each pts, if these are distinct."""
        return {stamp: position for position, stamp in enumerate(self.stamps.tolist())}

    def segment(self, video: VideoRef) -> tuple[int, int]:
        """Return the first position with `start <= t` and the first with `t >= end`.

        Raises `VideoError` if no frame is in between.
        """
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
    """Return the timeline of packets without `doubt`, at least one of which is shown: sorted by pts."""
    shown = np.flatnonzero(~index.hidden)
    packets = shown[np.argsort(index.stamps[shown], kind="stable")]
    return timeline_of(index, index.stamps[packets], packets=packets)


def timeline_of(
    index: PacketIndex, stamps: NDArray[np.int64], *, packets: NDArray[np.int64] | None = None
) -> Timeline:
    """Return the timeline of frames with these `stamps (n,)` in presentation order."""
    ticks = stamps if index.slots is None else index.slots[~index.hidden]
    clock: Timestamps = read_timestamps(
        ticks if len(ticks) == len(stamps) else stamps,
        tick=index.tick,
        rate=index.rate,
        invented=index.invented,
        restarts=index.restarts,
        broadcast=index.broadcast,
    )
    remarks = (index.doubt,) if index.doubt and len(stamps) > 1 else ()
    return Timeline(index, clock.times, stamps, packets, remarks + ((JUMPS,) if clock.jumps else ()), clock.jumps)
