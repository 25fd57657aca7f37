"""One open video file: its packets read once, its frames decoded as few as possible.

Between wanted frames the decoder is told to leave out frames that no other refers to, and where a later keyframe
comes before the next wanted frame it goes on from there. The frames that come out are those of a full sequential
decode; one that should not come out is fetched by such a decode, and counted. Frames are known by their pts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from av.codec.context import ThreadType

from fdakit.errors import VideoError

from .pictures import FrameTaker
from .plan import SKIPPING, Run, plan_runs
from .probe import FAULTS, first_stream, open_container, read_packets, words
from .timeline import build_timeline

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

KEPT_BYTES = 256_000_000  # of a file whose packets are held in memory; larger ones are read a second time


class Film:
    """An open file, to be closed.

    Raises `VideoError` for a file that is absent, unreadable, encrypted or without frames. `refetched` counts
    frames that only a full decode brought.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.refetched = 0
        self._begun = False  # whether the stream's decoder was used
        self._container: InputContainer | None = open_container(self.path)
        try:
            self._stream = first_stream(self._container, path=self.path)
            keep = self.path.stat().st_size <= KEPT_BYTES
            index, self._packets = read_packets(self._container, stream=self._stream, path=self.path, keep=keep)
        except BaseException:
            self.close()
            raise
        self.timeline = build_timeline(index)
        self.codec = self._stream.codec_context.name
        self.pixel_aspect = float(self._stream.sample_aspect_ratio or 1)  # of the stored picture
        self._shape = (self._stream.codec_context.height, self._stream.codec_context.width)

    def close(self) -> None:
        """Let go of the file."""
        if self._container is not None:
            self._container.close()
            self._container = None

    @property
    def _knows_frames(self) -> bool:
        """Whether a frame's pts names it. AVI holds none; with B-frames, FFmpeg's own shift by what it skips."""
        assert self._container is not None
        shown = self.timeline.index.stamps[~self.timeline.index.hidden]
        reordered = bool((np.diff(shown) < 0).any())
        return self.timeline.distinct and not (reordered and self._container.format.name == "avi")

    def decode(self, canvas: FrameTaker, *, vectors: bool, tolerant: bool, sparse: bool) -> None:
        """Put the frames that the canvas has slots for onto it; may be called once.

        `vectors` asks for the codec's motion vectors, for which every frame is decoded, as it is where not
        `sparse`. `tolerant` passes over damaged packets. Raises `VideoError` where decoding fails or ends before
        a wanted frame.
        """
        left = set(canvas.slots)
        if sparse and self._knows_frames and not vectors and not tolerant:
            with suppress(*FAULTS):  # the full decode below meets it again, and says what it is
                self._decode_few(left, canvas)
            self.refetched = len(left)
        if left:
            self._decode_all(left, canvas, vectors=vectors, tolerant=tolerant)

    def _decode_few(self, left: set[int], canvas: FrameTaker) -> None:
        """Decode by plan; takes what came out off `left`."""
        self._begun = True
        context = one_thread(self._stream).codec_context
        stamps = self.timeline.stamps
        wanted: dict[int | None, int] = {int(stamps[position]): position for position in left}
        skipping = self.codec in SKIPPING

        for run in plan_runs(self.timeline, sorted(left), codec=self.codec):
            state: bool | None = None
            for number, packet in self._run(run):
                asked = number in run.wanted
                if skipping and asked is not state:
                    context.skip_frame = "DEFAULT" if asked else "NONREF"
                    state = asked
                _taken(context.decode(packet), wanted, left, canvas, self._shape)
            _taken(context.decode(None), wanted, left, canvas, self._shape)
            context.flush_buffers()

    def _run(self, run: Run) -> Iterator[tuple[int, Packet[VideoStream]]]:
        """The packets of a run by number, from memory or from the file."""
        if self._packets:
            yield from enumerate(self._packets[run.first : run.last + 1], run.first)
            return
        assert self._container is not None
        stamps = self.timeline.index.stamps
        self._container.seek(int(stamps[run.first]), stream=self._stream, backward=True, any_frame=False)
        number = -1
        for packet in self._container.demux(self._stream):
            if packet.size == 0:
                return
            if number < 0:
                if packet.pts != stamps[run.first]:
                    continue
                number = run.first
            yield number, packet
            number += 1
            if number > run.last:
                return

    def _decode_all(self, left: set[int], canvas: FrameTaker, *, vectors: bool, tolerant: bool) -> None:
        """A full sequential decode up to the last wanted frame, by a decoder that has decoded nothing yet."""
        seen: Counter[int] = Counter()
        asked, places, stamped = len(left), self.timeline.places, self.timeline.stamped
        fault, cause = "decoding ends", None
        try:
            with self._all_packets(vectors=vectors) as (context, packets):
                for frame in sound_frames(context, packets, tolerant=tolerant):
                    if canvas.stack is None:
                        canvas.set_up(frame)
                    stamp = frame.pts if stamped and frame.pts is not None else 0
                    position = places.get((stamp, seen[stamp]), -1)
                    seen[stamp] += 1
                    if position in left:
                        canvas.take(position, frame, vectors=vectors)
                        left.discard(position)
                        if not left:
                            return
        except FAULTS as error:
            fault, cause = f"decoding fails: {words(error)}", error
        raise VideoError(
            f"{self.path}: {fault}; {seen.total()} of {len(self.timeline.times)} frames decoded, {len(left)} of the "
            f"{asked} wanted ones not among them; re-encode it or remove it from the data set"
        ) from cause

    @contextmanager
    def _all_packets(self, *, vectors: bool) -> Iterator[tuple[VideoCodecContext, Iterable[Packet[VideoStream]]]]:
        """An unused decoder and every packet for it: from memory, or read anew once the first decoder was used."""
        if self._packets and not self._begun:
            yield one_thread(self._stream, vectors=vectors).codec_context, self._packets
            return
        with open_container(self.path) as container:
            stream = one_thread(first_stream(container, path=self.path), vectors=vectors)
            yield stream.codec_context, container.demux(stream)


def _taken(
    frames: Iterable[VideoFrame],
    wanted: Mapping[int | None, int],
    left: set[int],
    canvas: FrameTaker,
    shape: tuple[int, int],
) -> None:
    """Put wanted frames onto the canvas and off `left`.

    Every picture has the size of the file's first: where sizes change, only a full decode knows what to do.
    """
    for frame in frames:
        position = wanted.get(frame.pts, -1)
        if position in left and (frame.height, frame.width) == shape:
            canvas.take(position, frame)
            left.discard(position)


def sound_frames(
    context: VideoCodecContext, packets: Iterable[Packet[VideoStream]], *, tolerant: bool = True
) -> Iterator[VideoFrame]:
    """Every frame that decodes; `tolerant` passes over packets that do not and frames marked as corrupt."""
    for packet in chain((packet for packet in packets if packet.size), (None,)):
        try:
            frames = context.decode(packet)
        except FAULTS:
            if not tolerant:
                raise
            continue
        yield from (frame for frame in frames if not (tolerant and frame.is_corrupt))


def one_thread(stream: VideoStream, *, vectors: bool = False) -> VideoStream:
    """One thread, never by frames: leaving early hangs some decoders otherwise, and loaders have workers.

    `vectors` has the decoder give its motion vectors with the frames.
    """
    stream.thread_type = ThreadType.SLICE
    stream.codec_context.thread_count = 1
    if vectors:
        stream.codec_context.options = {"flags2": "+export_mvs"}
    return stream
