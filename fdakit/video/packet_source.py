"""An open video file whose packets were read once: packets by number, and new decoders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from av.codec.context import ThreadType

from .probe import FAULTS, first_stream, open_container, read_packets

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

KEPT_BYTES = (
    256_000_000  # files up to this size have their packets held in memory; larger ones are read a second time
)


class PacketSource:
    """The packets of an open file, which the caller must close.

    Raises `VideoError` for a file that is missing, unreadable, encrypted or without frames.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unused = True  # whether the stream's own decoder is still unused
        self._others: list[InputContainer] = []
        self._container = open_container(path)
        try:
            self._stream = first_stream(self._container, path=path)
            self.keeps = path.stat().st_size <= KEPT_BYTES
            self.index, self._packets = read_packets(self._container, stream=self._stream, path=path, keep=self.keeps)
        except BaseException:
            self.close()
            raise
        context = self._stream.codec_context
        self.stream = self._stream.index
        self.codec = context.codec.canonical_name
        self.pixel_aspect = float(self._stream.sample_aspect_ratio or 1)  # of the stored frame
        self.shape = (context.height, context.width)

    def close(self) -> None:
        """Close the file."""
        for container in (*self._others, self._container):
            container.close()
        self._others.clear()

    def packets(self, first: int, last: int) -> Iterator[tuple[int, Packet[VideoStream]]]:
        """Yield the packets `first` to `last`, both included, by number, from memory or from the file."""
        if self.keeps:
            yield from enumerate(self._packets[first : last + 1], first)
            return
        stamps = self.index.stamps
        self._container.seek(int(stamps[first]), stream=self._stream, backward=True, any_frame=False)
        number = -1
        for packet in self._container.demux(self._stream):
            if packet.size == 0:
                return
            if number < 0:
                if packet.pts != stamps[first]:
                    continue
                number = first
            yield number, packet
            number += 1
            if number > last:
                return

    def decoder(self) -> VideoCodecContext:
        """Return an unused decoder, valid as long as the file is open."""
        if self._unused:
            self._unused = False
            return one_thread(self._stream).codec_context
        while self._others:
            self._others.pop().close()
        self._others.append(open_container(self.path))
        return one_thread(first_stream(self._others[-1], path=self.path)).codec_context

    @contextmanager
    def everything(
        self, *, vectors: bool = False
    ) -> Iterator[tuple[VideoCodecContext, Iterable[Packet[VideoStream]]]]:
        """Yield an unused decoder and all packets for it; `vectors` makes it export motion vectors."""
        if self.keeps and self._unused:
            self._unused = False
            yield one_thread(self._stream, vectors=vectors).codec_context, self._packets
            return
        with open_container(self.path) as container:
            stream = one_thread(first_stream(container, path=self.path), vectors=vectors)
            yield stream.codec_context, self._packets if self.keeps else container.demux(stream)


def one_thread(stream: VideoStream, *, vectors: bool = False) -> VideoStream:
    """Set a stream to be decoded by one thread, and return it.

    Frame threading hangs some decoders that are abandoned early, and data loaders have workers. `vectors` makes the
    decoder export its motion vectors with the frames.
    """
    stream.thread_type = ThreadType.SLICE
    stream.codec_context.thread_count = 1
    if vectors:
        stream.codec_context.options = {"flags2": "+export_mvs"}
    return stream


def all_frames(
    context: VideoCodecContext, packets: Iterable[Packet[VideoStream]], *, faults: list[Exception] | None = None
) -> Iterator[VideoFrame]:
    """Yield every frame that decodes; errors of packets are appended to `faults`, if given, and skipped."""
    for packet in chain((packet for packet in packets if packet.size), (None,)):
        try:
            frames = context.decode(packet)
        except FAULTS as error:
            if faults is None:
                raise
            faults.append(error)
            continue
        yield from frames
