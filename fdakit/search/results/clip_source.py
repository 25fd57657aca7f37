"""A video out of which clips are cut: the frames of a range, and the packets that a copy of it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fdakit.values import VideoRef
from fdakit.video.decode_plan import plan_runs
from fdakit.video.frame_buffer import FrameBuffer
from fdakit.video.timestamps import NO_STAMP
from fdakit.video.video_file import VideoFile

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream

Stamps = NDArray[np.int64]
_LEAST = 32  # frames decoded in one go, if a keyframe comes sooner


class NotCopyableError(Exception):
    """Why a range cannot be copied without decoding it."""


@dataclass(frozen=True)
class CopyPlan:
    """The packets of a copy: those of `numbers (p,)`, with new `pts` and `dts (p,)` in ticks, the first frame at 0.

    `start` and `end` are what it covers, in seconds from the video's first frame.
    """

    numbers: Stamps
    pts: Stamps
    dts: Stamps
    tick: Fraction
    start: float
    end: float


class ClipSource:
    """An open video, which the caller must close. Positions count its frames.

    Raises `VideoError` for a file that is missing, unreadable, encrypted or without frames.
    """

    def __init__(self, path: Path) -> None:
        self.film = VideoFile(path)
        self.path = self.film.path

    def close(self) -> None:
        """Close the file."""
        self.film.close()

    @property
    def stream(self) -> int:
        """The index of the video stream."""
        return self.film.source.stream

    @property
    def times(self) -> NDArray[np.float64]:
        """The times of all frames `(n,)`, ascending, in seconds from the first."""
        return self.film.timeline.times

    @cached_property
    def step(self) -> float:
        """The usual time from one frame to the next, in seconds."""
        steps = np.diff(self.times)
        steps = steps[steps > 0]
        return float(np.median(steps)) if len(steps) else 0.04

    def frames(self, start: float, end: float) -> tuple[int, int]:
        """Return the first position of a range in seconds, and the one after its last. Raises `VideoError`."""
        return self.film.timeline.segment(VideoRef(self.path.name, self.path, start, end))

    def shown_until(self, last: int) -> float:
        """Return when the frame before position `last` ends."""
        return float(self.times[last]) if last < len(self.times) else float(self.times[-1]) + self.step

    def clock(self, first: int, last: int) -> float | None:
        """Return what the file's clock shows at the video's time 0; None if it jumps in between, or shows nothing."""
        timeline = self.film.timeline
        tick, stamp = timeline.index.tick, int(timeline.stamps[first])
        if tick is None or stamp == NO_STAMP or any(first < jump < last for jump in timeline.jumps):
            return None
        return float(stamp * tick) - float(self.times[first])

    def stretches(self, first: int, last: int) -> Iterator[range]:
        """Yield the positions in runs that begin where decoding can, so that little is decoded twice."""
        timeline = self.film.timeline
        if timeline.packets is None:
            yield range(first, last)
            return
        groups = np.searchsorted(np.flatnonzero(timeline.index.keys), timeline.packets[first:last], side="right")
        begun = first
        for position in (np.flatnonzero(np.diff(groups)) + first + 1).tolist():
            if position - begun >= _LEAST:
                yield range(begun, position)
                begun = position
        yield range(begun, last)

    def plan_copy(self, first: int, last: int) -> CopyPlan:
        """Return the packets from the last keyframe at or before position `first` to what is shown before `last`.

        Frames that are shown before that keyframe, but stored after it, are left out: they need others. Raises
        `NotCopyableError` where packets do not tell this.
        """
        timeline, index = self.film.timeline, self.film.timeline.index
        if timeline.packets is None or index.tick is None or index.slots is not None or index.invented:
            raise NotCopyableError("its container does not tell when its frames are shown")
        key = plan_runs(timeline, [first])[0].first
        if not index.keys[key]:
            raise NotCopyableError("no keyframe comes before")
        whole, after = self._closed(timeline.packets, last)
        numbers = np.arange(key, after)
        numbers = numbers[index.stamps[numbers] >= index.stamps[key]]
        stamps = index.stamps[numbers]
        if (index.stamps[key:after] == NO_STAMP).any() or len(np.unique(stamps)) < len(stamps):
            raise NotCopyableError("its frames have no time of their own")
        place = int(np.searchsorted(timeline.stamps[:first], stamps[0]))
        if self.clock(place, whole) is None:
            raise NotCopyableError("its clock jumps")
        before = int(timeline.stamps[place]) - int(stamps[0])  # 0 unless the keyframe itself is not shown
        begun = float(self.times[place]) - float(before * index.tick)
        pts = stamps - stamps[0]
        return CopyPlan(numbers, pts, decode_stamps(pts), index.tick, begun, self.shown_until(whole))

    def _closed(self, packets: Stamps, last: int) -> tuple[int, int]:
        """Return the position and the packet up to which all that is stored is shown, and the other way round."""
        while True:
            after = int(packets[:last].max()) + 1
            further = int(np.flatnonzero(packets < after).max()) + 1
            if further <= last:
                return last, after
            last = further

    def read(self, positions: Sequence[int]) -> tuple[NDArray[np.uint8], float]:
        """Return frames, upright, uint8 `(t, h, w, 3)`, and their pixels' aspect. Raises `VideoError`."""
        slots: dict[int, list[tuple[int, int]]] = {}
        for row, position in enumerate(positions):
            slots.setdefault(position, []).append((0, row))
        canvas = FrameBuffer(slots, layers=1, rows=len(positions), size=None)
        self.film.decode(canvas, vectors=False, tolerant=False, sparse=True)
        assert canvas.stack is not None
        return canvas.stack[0], self.film.pixel_aspect ** (-1 if canvas.orientation.swaps else 1)

    def packets(self, plan: CopyPlan) -> Iterator[Packet[VideoStream]]:
        """Yield copies of the packets of a plan, with their new times."""
        from av import Packet

        places = {int(number): place for place, number in enumerate(plan.numbers)}
        for number, packet in self.film.source.packets(int(plan.numbers[0]), int(plan.numbers[-1])):
            place = places.get(number)
            if place is None:
                continue
            copy: Any = Packet(bytes(packet))
            copy.pts, copy.dts = int(plan.pts[place]), int(plan.dts[place])
            copy.time_base, copy.duration = plan.tick, packet.duration
            copy.is_keyframe = bool(self.film.timeline.index.keys[number])
            yield copy


def decode_stamps(pts: Stamps) -> Stamps:
    """Return when each packet `(p,)`, in decoding order, is decoded: ascending, and none later than it is shown."""
    ordered = np.sort(pts)
    delay = int((np.arange(len(pts)) - np.searchsorted(ordered, pts)).max())
    step = max(1, int(np.median(np.diff(ordered)))) if len(pts) > 1 else 1
    return np.concatenate([ordered[0] - step * np.arange(delay, 0, -1), ordered])[: len(pts)]
