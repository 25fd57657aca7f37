"""Which frames of a damaged file still decode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import VideoError
from fdakit.values import VideoRef

from .orientation import Orientation, orientation
from .packet_source import all_frames
from .probe import error_text
from .video_file import VideoFile

if TYPE_CHECKING:
    from av import VideoFrame

MIRRORED = "its display matrix mirrors it; its frames are mirrored as players show them"


@dataclass(frozen=True)
class Survey:
    """The result of decoding a file to its end: the frames `promised` by its packets, and which of them are `sound`.

    `sound (s,)` int64 are ascending indices of the segment; `reason` describes the first error, "" if there is none.
    `duration` is the last frame's time in seconds; `width` and `height` are in pixels as stored, `rotation` in
    clockwise degrees to upright, after any mirroring; `remarks` are those of `OpenVideo.remarks`.
    """

    promised: int
    sound: NDArray[np.int64]
    reason: str
    duration: float
    codec: str
    width: int
    height: int
    rotation: int
    remarks: tuple[str, ...]


def survey_video(video: VideoRef) -> Survey:
    """Decode everything, skipping damaged packets and frames that the decoder marks as corrupt.

    Raises `VideoError` as `frame_times` does, and if no frame of the segment decodes.
    """
    with closing(VideoFile(video.path)) as film:
        first, last = film.timeline.segment(video)
        faults: list[str] = []
        found: set[int] = set()
        shape, shown = film.source.shape, Orientation()
        for position, frame in _sound_frames(film, faults):
            if not found:
                shape, shown = (frame.height, frame.width), orientation(frame)
            if first <= position < last:
                found.add(position - first)
        times, remarks = film.timeline.times, film.timeline.remarks
        lost = len(np.flatnonzero(~film.timeline.index.hidden)) - len(times) if film.roll and film.roll.fault else 0
    if not found:
        raise VideoError(
            f"{film.path}: {(faults or ['decoding ends'])[0]}; none of its {last - first} frames decode; replace it "
            "or remove it from the data set"
        )
    if len(found) < last - first and not faults:
        faults.append("decoding ends early")
    return Survey(
        promised=last - first + max(0, lost),
        sound=np.array(sorted(found), np.int64),
        reason=faults[0] if faults else "",
        duration=float(times[last - 1]),
        codec=film.source.codec,
        width=shape[1],
        height=shape[0],
        rotation=-90 * shown.turns % 360,
        remarks=remarks + ((MIRRORED,) if shown.mirrored else ()),
    )


def _sound_frames(film: VideoFile, faults: list[str]) -> Iterator[tuple[int, VideoFrame]]:
    """Yield every frame that is not marked as corrupt, with its position.

    The description of the first error goes into `faults`.
    """
    raised: list[Exception] = []
    with film.source.everything() as (context, packets):
        for position, frame in film.placed(all_frames(context, packets, faults=raised)):
            if raised and not faults:
                faults.append(f"decoding fails: {error_text(raised[0])}")
            if frame.is_corrupt:
                faults.append("the decoder marks frames as corrupt")
            elif position >= 0:
                yield position, frame
    if raised and not faults:
        faults.append(f"decoding fails: {error_text(raised[0])}")
