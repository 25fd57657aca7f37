"""Which frames a file holds and when each is shown, learned from its packets; nothing is decoded.

A packet without the discard flag is a frame; its presentation time (pts) says when. Headers are not asked:
their frame counts and durations are often wrong. Source: FFmpeg's demuxers through PyAV.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from fdakit.errors import VideoError
from fdakit.values import VideoRef

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

FAULTS = (av.error.FFmpegError, OSError)
"""What PyAV raises for a file it cannot read; everything else is a fault of ours."""

_RATE = Fraction(25)  # frames a second where a file states neither times nor a rate


@dataclass(frozen=True)
class Timeline:
    """The frames of a file in the order they are shown, and the stretch of them that a segment keeps.

    `place` finds a decoded frame: (pts, how many frames with that pts were decoded before) -> its position.
    `times (n,)` seconds from the file's first frame. Frames `first <= position < last` are in the segment.
    """

    place: Mapping[tuple[int | None, int], int]
    times: NDArray[np.float64]
    stamped: bool  # False: pts are missing, so every frame counts as pts 0 and decode order decides
    first: int
    last: int


def frame_times(video: VideoRef) -> NDArray[np.float64]:
    """Times `(count,)` of the frames of the segment, ascending, in seconds from the file's first frame.

    A frame at t is in the segment where `start <= t < end`. Where pts are missing, the frames stand in
    packet order at the average rate that the file states (at 25 a second if it states none).
    Raises `VideoError` for a file that is absent, unreadable, encrypted, without frames, or without any
    in the segment.
    """
    timeline = scan(video)
    return timeline.times[timeline.first : timeline.last]


def scan(video: VideoRef) -> Timeline:
    """One pass over the packets of the first video stream. Raises `VideoError` as `frame_times` says."""
    path = video.path.absolute()
    with open_container(path) as container:
        stream = first_stream(container, path=path)
        try:
            stamps = _stamps(container, stream=stream, path=path)
        except FAULTS as error:
            raise VideoError(
                f"{path}: cannot be read to its end: {words(error)}; re-encode it or remove it from the data set"
            ) from error
        times = _seconds(stamps, stream=stream)
    if not stamps:
        raise VideoError(f"{path}: its video stream holds no frame; replace it or remove it from the data set")
    stamped = None not in stamps
    first, last = _segment(video, times=times)
    return Timeline(_places([stamp or 0 for stamp in stamps]), times, stamped, first, last)


def open_container(path: Path) -> InputContainer:
    """The opened file, to be closed by the caller. Raises `VideoError` where it is no readable file."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VideoError(f"{path}: no such file; correct the path or fetch the video") from error
    except OSError as error:
        raise VideoError(f"{path}: cannot be reached: {words(error)}; check the path and its rights") from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise VideoError(f"{path}: {what}; give the path of a video file")
    try:
        # Tags in some old encoding are common, and no reason to lose a video.
        return av.open(str(path), metadata_errors="ignore")
    except FAULTS as error:
        raise VideoError(
            f"{path}: cannot be opened as a video: {words(error)}; replace it or remove it from the data set"
        ) from error


def first_stream(container: InputContainer, *, path: Path) -> VideoStream:
    """The first video stream. Raises `VideoError` where there is none, or none that can be decoded."""
    if not container.streams.video:
        raise VideoError(f"{path}: no video stream; replace it or remove it from the data set")
    stream = container.streams.video[0]
    if getattr(stream, "codec_context", None) is None:
        raise VideoError(f"{path}: no decoder for its video codec; re-encode it, for example as h264")
    return stream


def words(error: Exception) -> str:
    """The error in FFmpeg's or the system's own words, lower case, with the demuxer's last complaint."""
    said = (getattr(error, "strerror", None) or str(error)).lower()
    log: Any = getattr(error, "log", None)  # (level, source, message) where FFmpeg logged something
    return f"{said} ({log[2].strip().lower()})" if log else said


def _stamps(container: InputContainer, *, stream: VideoStream, path: Path) -> list[int | None]:
    """The pts of each frame in packet order, None where the file gives none."""
    stamps = []
    for packet in container.demux(stream):
        if packet.size == 0 or packet.is_discard:  # the demuxer's end mark; lead-in that is never shown
            continue
        # The decoders do not know that data are encrypted; older PyAV does not tell us either.
        if hasattr(packet, "has_sidedata") and packet.has_sidedata("encryption_info"):
            raise VideoError(f"{path}: encrypted; decrypt it or remove it from the data set")
        stamps.append(packet.pts)
    return stamps


def _seconds(stamps: Sequence[int | None], *, stream: VideoStream) -> NDArray[np.float64]:
    """Ascending seconds from the first frame; one division of whole numbers, so that 0.4 s is 0.4."""
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) < len(stamps) or stream.time_base is None:
        unit = 1 / (stream.average_rate or stream.guessed_rate or _RATE)
        ticks = np.arange(len(stamps))
    else:
        unit = stream.time_base
        ticks = np.sort(np.array(known, np.int64))
        ticks -= ticks[:1].sum()
    return ticks * unit.numerator / np.float64(unit.denominator)


def _places(stamps: list[int]) -> dict[tuple[int | None, int], int]:
    """Position in shown order of each (pts, how many of that pts before): by pts, ties by decode order."""
    seen: Counter[int] = Counter()
    names = []
    for stamp in stamps:
        names.append((stamp, seen[stamp]))
        seen[stamp] += 1
    return {name: position for position, name in enumerate(sorted(names))}


def _segment(video: VideoRef, *, times: NDArray[np.float64]) -> tuple[int, int]:
    """First position in the segment and the one after its last."""
    first = 0 if video.start is None else int(np.searchsorted(times, video.start))
    last = len(times) if video.end is None else int(np.searchsorted(times, video.end))
    if first >= last:
        raise VideoError(
            f"{video.path.absolute()}: video {video.id!r} has none of its {len(times)} frames, from 0.0 to "
            f"{times[-1]:.3f} s, in the segment from {video.start} to {video.end} s; correct its start and end"
        )
    return first, last
