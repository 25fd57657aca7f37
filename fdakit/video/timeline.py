"""The frames of a file in the order they are shown, from its packets alone: when, and which packet holds each."""

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
    """What the packets of a stream say, in file order, one entry a packet `(p,)`.

    `stamps` int64 presentation times in ticks (`NO_STAMP` if there is none), `keys` whether decoding can begin
    there by the stream's own headers, `hidden` whether no frame comes of the packet itself. `tick` and `rate`:
    seconds a tick and frames a second, None if the file states none. `broadcast` where the container is one
    whose clock may jump. `doubt` says why packets do not tell which frames there are in which order, "" where they
    do; `invented` and `restarts` say what of it concerns their times. `slots` are the times in ticks that packets
    have where the container only numbers them, None elsewhere.
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
    """Frames by position, the order they are shown in.

    `times (n,)` seconds from the first frame, ascending; `stamps (n,)` their pts. `packets (n,)` is the packet of
    each, None if frames are known by their place in a full decode. `remarks` are what a user should know, `jumps`
    the positions before which the file's clock jumps.
    """

    index: PacketIndex
    times: NDArray[np.float64]
    stamps: NDArray[np.int64]
    packets: NDArray[np.int64] | None
    remarks: tuple[str, ...] = ()
    jumps: tuple[int, ...] = ()

    @cached_property
    def torn(self) -> bool:
        """Whether the clock jumps where decoding cannot begin, among frames that are shown in another order."""
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
        """Position of each pts, where these are distinct."""
        return {stamp: position for position, stamp in enumerate(self.stamps.tolist())}

    def segment(self, video: VideoRef) -> tuple[int, int]:
        """First position with `start <= t` and first with `t >= end`. Raises `VideoError` if none lies between."""
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
    """Return the timeline of frames with these `stamps (n,)`, in the order they are shown in."""
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
