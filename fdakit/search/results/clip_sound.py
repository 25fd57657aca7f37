"""The sound of a clip: the packets of a range as they are, or decoded, trimmed to the sample and encoded as AAC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fdakit.video.probe import FAULTS, open_container

if TYPE_CHECKING:
    from av import Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer

Samples = NDArray[np.float32]

DAMAGED = "its sound is damaged"

_BEFORE = 0.5  # seconds that are decoded before the range, as first frames of a codec need earlier ones
_JITTER = 0.1  # seconds by which the times of a continuous sound may be off
_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)  # of AAC
_USUAL_RATE = 48000


class ClipSound:
    """The sound track that belongs to a video stream; `stream` is None if there is none that can be read.

    Its file is opened for it alone, and must be closed by the caller. `clock` is what the file's clock shows at the
    video's time 0, in seconds. All times are seconds from the video's first frame.
    """

    def __init__(self, path: Path, video_stream: int, clock: float) -> None:
        self._path, self._video, self._clock = path, video_stream, clock
        self._container = open_container(path)
        self.stream = _best(self._container, video_stream)
        self.remark = ""

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def packets(self, start: float, end: float) -> Iterator[tuple[float, Packet[AudioStream]]]:
        """Yield the packets that begin within a range, with their times; what is damaged ends it, with a remark."""
        for time, packet in self._from(start):
            if time >= end:
                return
            if time >= start:
                yield time, packet

    def samples(self, start: float, end: float) -> Iterator[tuple[int, Samples]]:
        """Yield the samples `(channels, n)` of a range, each part with its place: samples after `start`.

        They follow each other without gap or overlap from the first one on: silence fills what is missing. Rate and
        layout are those of `aac_form`.
        """
        rate, layout = self.aac_form()
        room, cursor = round((end - start) * rate), -1
        for time, samples in self._resampled(start, end, rate, layout):
            place = round((time - start) * rate)
            if cursor >= 0 and abs(place - cursor) <= _JITTER * rate:
                place = cursor
            if cursor >= 0 and place > cursor:
                yield cursor, np.zeros((len(samples), min(place, room) - cursor), np.float32)
            skipped = max(0, max(0, cursor) - place)
            part = samples[:, skipped : max(skipped, room - place)]
            if part.shape[1]:
                yield place + skipped, part
                cursor = place + skipped + part.shape[1]
            if max(cursor, place) >= room:
                return

    def aac_form(self) -> tuple[int, str]:
        """Return the sample rate and the layout that AAC is given: the sound's own, if they are usual ones."""
        assert self.stream is not None
        context = self.stream.codec_context
        rate = context.sample_rate if context.sample_rate in _RATES else _USUAL_RATE
        return rate, "mono" if context.layout.nb_channels == 1 else "stereo"

    def _resampled(self, start: float, end: float, rate: int, layout: str) -> Iterator[tuple[float, Samples]]:
        from av import AudioResampler

        assert self.stream is not None
        resampler = AudioResampler(format="fltp", layout=layout, rate=rate)
        context = self.stream.codec_context
        for time, packet in self._from(start - _BEFORE):
            if time >= end:
                return
            try:
                frames: list[Any] = [made for frame in context.decode(packet) for made in resampler.resample(frame)]
            except FAULTS:
                if time >= start:  # what comes before may begin amid a frame
                    self.remark = DAMAGED
                continue
            for frame in frames:
                if frame.pts is not None:
                    yield float(frame.pts * frame.time_base) - self._clock, frame.to_ndarray()

    def _from(self, start: float) -> Iterator[tuple[float, Packet[AudioStream]]]:
        """Yield packets with their times, from one at or before `start` on, if there is one."""
        assert self.stream is not None
        try:
            found = self._sought(start)
            first = next(found, None)
            if first is None or first[0] > start:  # the container could not seek, or went too far
                self._reopen()
                found = self._timed()
            else:
                yield first
            yield from found
        except FAULTS:
            self.remark = DAMAGED

    def _sought(self, start: float) -> Iterator[tuple[float, Packet[AudioStream]]]:
        assert self.stream is not None and self.stream.time_base is not None
        ticks = int((start + self._clock) / self.stream.time_base)
        try:
            self._container.seek(ticks, stream=self.stream, backward=True, any_frame=False)
        except FAULTS:
            self._reopen()
        return self._timed()

    def _reopen(self) -> None:
        self._container.close()
        self._container = open_container(self._path)
        self.stream = _best(self._container, self._video)

    def _timed(self) -> Iterator[tuple[float, Packet[AudioStream]]]:
        assert self.stream is not None
        for packet in self._container.demux(self.stream):
            if packet.size and packet.pts is not None:
                yield float(packet.pts * packet.time_base) - self._clock, packet


def _best(container: InputContainer, video_stream: int) -> AudioStream | None:
    """Return the sound track that a player chooses for a video stream, if it can be decoded."""
    best: Any = container.streams.best("audio", container.streams[video_stream])
    if best is None or getattr(best, "codec_context", None) is None or best.codec_context.sample_rate <= 0:
        return None
    return best  # type: ignore[no-any-return]
