"""A clip cut exactly: its frames decoded and encoded as H.264, its sound as AAC, in MP4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from numpy.typing import NDArray

from fdakit.errors import FdakitError

from .clip_sound import ClipSound, Samples
from .clip_source import ClipSource
from .upright_frames import FORMAT, UprightFrames, colours_of

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import OutputContainer

_TICKS = 90000  # a second
_ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf")
_QUALITY = {"libx264": {"crf": "17", "preset": "fast"}}
_BIT_RATE = 8_000_000  # of the encoders that know no quality
_SOUND_RATE = 96_000  # bits a second and channel


def encode_clip(
    source: ClipSource, first: int, last: int, part: Path, *, end: float, sound: ClipSound | None
) -> None:
    """Write the frames from position `first` up to `last`, and their sound until `end` seconds, to `part`.

    Raises `VideoError` if a frame cannot be decoded, and what PyAV raises if the disk refuses.
    """
    options = {"movflags": "+faststart"}
    with closing(av.open(str(part), "w", format="mp4", container_options=options)) as made:
        sink = _Encoding(source, first, last, made, end=end, sound=sound)
        for stretch in source.stretches(first, last):
            sink.expect(stretch)
            source.film.decode(sink, vectors=False, tolerant=False, sparse=True)
        sink.finish()


class _Encoding:
    """Receives decoded frames and writes them in order, with the sound beside them."""

    stack: NDArray[np.uint8] | None = None

    def __init__(
        self,
        source: ClipSource,
        first: int,
        last: int,
        made: OutputContainer,
        *,
        end: float,
        sound: ClipSound | None,
    ) -> None:
        self.slots: Mapping[int, Any] = {}
        self._source, self._made = source, made
        self._start, self._end = float(source.times[first]), end
        self._stamps = _increasing(np.append(source.times[first:last], source.shown_until(last)) - self._start)
        self._first, self._next = first, first
        self._held: dict[int, VideoFrame] = {}
        self._upright: UprightFrames | None = None
        self._picture: Any = None
        self._track: _SoundTrack | None = None
        self._sound = sound

    def expect(self, positions: range) -> None:
        """Make these the positions that are asked for."""
        self.slots = dict.fromkeys(positions)

    def set_up(self, frame: VideoFrame) -> None:
        """Do nothing: the first frame of the clip tells its size."""

    def take(self, position: int, frame: VideoFrame, *, vectors: bool = False) -> None:
        """Write a frame, and those that waited for it."""
        self._held[position] = frame
        while self._next in self._held:
            self._write(self._held.pop(self._next))
            self._next += 1

    def finish(self) -> None:
        """Write what the encoders hold back."""
        self._mux(self._picture.encode(None))
        if self._track is not None:
            self._track.write(float("inf"))

    def _write(self, frame: VideoFrame) -> None:
        if self._upright is None:
            self._begin(frame)
            assert self._upright is not None
        shown = self._upright.converted(frame)
        stamp, after = self._stamps[self._next - self._first : self._next - self._first + 2]
        shown.pts, shown.time_base, shown.duration = int(stamp), Fraction(1, _TICKS), int(after - stamp)
        shown.pict_type = 0  # the encoder chooses
        self._mux(self._picture.encode(shown))

    def _begin(self, frame: VideoFrame) -> None:
        self._upright = UprightFrames(frame)
        name = next((one for one in _ENCODERS if one in av.codecs_available), "")
        if not name:
            raise FdakitError("this PyAV has no encoder of H.264; pip install av, or cut without exact")
        rate = Fraction(1 / self._source.step).limit_denominator(1001)
        picture: Any = self._made.add_stream(name, rate=max(rate, Fraction(1, 1001)), options=_QUALITY.get(name, {}))
        picture.width, picture.height, picture.pix_fmt = self._upright.width, self._upright.height, FORMAT
        context: Any = picture.codec_context
        context.time_base = Fraction(1, _TICKS)
        aspect = Fraction(self._source.film.pixel_aspect).limit_denominator(1000)
        context.sample_aspect_ratio = 1 / aspect if self._upright.swaps else aspect
        for setting, value in colours_of(frame).items():
            setattr(context, setting, value)
        if name not in _QUALITY:
            context.bit_rate = _BIT_RATE
        self._picture = picture
        if self._sound is not None and self._sound.stream is not None:
            self._track = _SoundTrack.begun(self._sound, self._made, self._start, self._end)

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            if self._track is not None:
                self._track.write(float(packet.dts * packet.time_base))
            self._made.mux(packet)


class _SoundTrack:
    """The sound of a clip, encoded and written as far as its pictures are."""

    def __init__(self, made: OutputContainer, sound: ClipSound, parts: Iterator[tuple[int, Samples]]) -> None:
        self._made, self._parts = made, parts
        self._rate, self._layout = sound.aac_form()
        self._stream: Any = made.add_stream("aac", rate=self._rate, layout=self._layout)
        self._stream.codec_context.bit_rate = _SOUND_RATE * self._stream.codec_context.layout.nb_channels
        self._written = -1.0

    @classmethod
    def begun(cls, sound: ClipSound, made: OutputContainer, start: float, end: float) -> _SoundTrack | None:
        """Return the track, or None if nothing of its sound can be decoded."""
        parts = sound.samples(start, end)
        head = next(parts, None)
        return None if head is None else cls(made, sound, _after(head, parts))

    def write(self, until: float) -> None:
        """Write the sound up to a time in the clip, in seconds."""
        while self._written < until:
            part = next(self._parts, None)
            if part is None:
                self._written = float("inf")
                self._made.mux(self._stream.encode(None))
                return
            place, samples = part
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, place, Fraction(1, self._rate)
            self._made.mux(self._stream.encode(frame))
            self._written = (place + samples.shape[1]) / self._rate


def _after(head: tuple[int, Samples], rest: Iterator[tuple[int, Samples]]) -> Iterator[tuple[int, Samples]]:
    yield head
    yield from rest


def _increasing(times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return times in seconds as ticks, each at least one after the one before."""
    ticks = np.rint(times * _TICKS).astype(np.int64)
    counted = np.arange(len(ticks))
    return np.maximum.accumulate(ticks - counted) + counted
