"""An open video file: its packets read once, and as few frames decoded as possible.

Between wanted frames the decoder skips frames that no other refers to, and decoding restarts at the last entry point
before the next wanted frame. The frames are those of a full sequential decode; a frame that does not come out is
decoded by such a decode, and counted. Frames are identified by their pts or, if packets do not determine which frames
there are, by their position in a full decode.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fdakit.errors import VideoError

from .decode_plan import SKIPPING, plan_runs
from .frame_buffer import FrameSink
from .leading_frames import leading_packets, without_unshown
from .packet_source import PacketSource, all_frames
from .probe import FAULTS, error_text
from .sequential_decode import SequentialDecode, decode_sequentially
from .timeline import PacketIndex, Timeline, build_timeline, timeline_of

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.codeccontext import VideoCodecContext


class VideoFile:
    """An open file, which the caller must close.

    Raises `VideoError` for a file that is missing, unreadable, encrypted or without frames. `refetched` counts frames
    of the last `decode` that needed a full decode. `roll` holds every frame if packets do not determine the frames.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.refetched = 0
        self.roll: SequentialDecode | None = None
        self._ready: VideoCodecContext | None = None  # a decoder that can restart at any entry point
        self.source = PacketSource(self.path)
        try:
            self.timeline = self._timeline()
        except BaseException:
            self.close()
            raise
        self.pixel_aspect = self.source.pixel_aspect

    def close(self) -> None:
        """Close the file."""
        self._ready = self.roll = None
        self.source.close()

    def _timeline(self) -> Timeline:
        index = self.source.index
        if index.doubt:
            return self._unrolled(index)
        leading = leading_packets(index)
        if len(leading):
            context = self.source.decoder()
            with suppress(*FAULTS):  # damage that reading will report
                index = without_unshown(index, leading, self.source, context)
                context.flush_buffers()
                self._ready = context
        timeline = build_timeline(index)
        return self._unrolled(replace(index, restarts=True)) if timeline.torn else timeline

    def _unrolled(self, index: PacketIndex) -> Timeline:
        roll = decode_sequentially(self.source)
        if not len(roll.stamps):
            return build_timeline(index)  # reading will report what is wrong
        self.roll = roll
        return timeline_of(index, roll.stamps)

    def decode(self, canvas: FrameSink, *, vectors: bool, tolerant: bool, sparse: bool) -> None:
        """Decode the frames that the canvas has slots for, and store them on it.

        `vectors` requests the codec's motion vectors, for which every frame is decoded, as without `sparse`.
        `tolerant` skips damaged packets. Raises `VideoError` if decoding fails or ends before a wanted frame.
        """
        left = set(canvas.slots)
        self.refetched = 0
        if self.roll is not None:
            self._take_from_roll(self.roll, left, canvas, again=vectors, tolerant=tolerant)
        elif sparse and not vectors and not tolerant:
            with suppress(*FAULTS):  # the full decode below will report it
                self._decode_few(left, canvas)
            self.refetched = len(left)
        if left:
            self._decode_all(left, canvas, vectors=vectors, tolerant=tolerant)

    def _take_from_roll(
        self, roll: SequentialDecode, left: set[int], canvas: FrameSink, *, again: bool, tolerant: bool
    ) -> None:
        if not roll.frames or again or not (tolerant or max(left) < roll.sound_until):
            return
        canvas.set_up(roll.frames[0])
        for position in sorted(left):
            canvas.take(position, roll.frames[position])
        left.clear()

    def _decode_few(self, left: set[int], canvas: FrameSink) -> None:
        """Decode by plan; remove the frames that came out from `left`."""
        runs = plan_runs(self.timeline, sorted(left))
        context = self._ready if self._ready and all(self.timeline.index.keys[run.first] for run in runs) else None
        self._ready = None  # until everything has succeeded
        context = context or self.source.decoder()
        stamps = self.timeline.stamps
        wanted: dict[int | None, int] = {int(stamps[position]): position for position in left}
        skipping = self.source.codec in SKIPPING
        for run in runs:
            state: bool | None = None
            for number, packet in self.source.packets(run.first, run.last):
                asked = number in run.wanted
                if skipping and asked is not state:
                    context.skip_frame = "DEFAULT" if asked else "NONREF"
                    state = asked
                self._take(context.decode(packet), wanted, left, canvas)
            self._take(context.decode(None), wanted, left, canvas)
            context.flush_buffers()
        self._ready = context

    def _take(
        self, frames: Iterable[VideoFrame], wanted: dict[int | None, int], left: set[int], canvas: FrameSink
    ) -> None:
        """Store wanted frames on the canvas and remove them from `left`.

        Every frame must have the size of the file's first: if sizes change, only a full decode handles them.
        """
        for frame in frames:
            position = wanted.get(frame.pts, -1)
            if position in left and (frame.height, frame.width) == self.source.shape:
                canvas.take(position, frame)
                left.discard(position)

    def _decode_all(self, left: set[int], canvas: FrameSink, *, vectors: bool, tolerant: bool) -> None:
        """Decode sequentially up to the last wanted frame, with an unused decoder."""
        seen, asked = 0, len(left)
        fault, cause = "decoding ends", None
        faults: list[Exception] | None = [] if tolerant else None
        begun = canvas.stack is not None
        try:
            with self.source.everything(vectors=vectors) as (context, packets):
                for position, frame in self.placed(all_frames(context, packets, faults=faults)):
                    if tolerant and frame.is_corrupt:
                        continue
                    if not begun:
                        canvas.set_up(frame)
                        begun = True
                    seen += 1
                    if position in left:
                        canvas.take(position, frame, vectors=vectors)
                        left.discard(position)
                        if not left:
                            return
        except FAULTS as error:
            fault, cause = f"decoding fails: {error_text(error)}", error
        raise VideoError(
            f"{self.path}: {fault}; {seen} of {len(self.timeline.times)} frames decoded, {len(left)} of the "
            f"{asked} wanted ones not among them; re-encode it or remove it from the data set"
        ) from cause

    def placed(self, frames: Iterable[VideoFrame]) -> Iterator[tuple[int, VideoFrame]]:
        """Yield frames with their positions, -1 for a frame that is not in the timeline."""
        if self.roll is not None:
            yield from enumerate(frames)
            return
        places = self.timeline.places
        for frame in frames:
            yield places.get(frame.pts, -1), frame
