"""Small pictures of videos, for pages: the middle frame, upright and with square pixels."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fdakit.errors import VideoError
from fdakit.values import Clip, VideoRef

from .damage import survey_video
from .decode import OpenVideo, read_frames
from .pictures import Size

_WIDEST = 3  # width over height; a wider picture is made lower instead
_QUALITY = 80


def thumbnail(video: VideoRef, *, height: int = 120) -> bytes | None:
    """The middle frame of the video, or of its segment, as JPEG; None where the video cannot be read.

    It is at most `height` px high and three times as wide, and never larger than the video itself. In a file that is
    damaged in part it is the middle one of the frames that decode.
    """

    def size(own: Size) -> Size:
        scale = min(1.0, height / own[0], _WIDEST * height / own[1])
        return max(1, round(own[0] * scale)), max(1, round(own[1] * scale))

    try:
        try:
            with OpenVideo(video) as opened:
                clip = opened.read(_middle(np.arange(len(opened.times()))), size=size)
        except VideoError:
            clip = read_frames(video, indices=_middle(survey_video(video).sound), size=size, tolerant=True)
    except VideoError:
        return None
    return _jpeg(clip)


def _middle(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    half = len(indices) // 2
    return indices[half : half + 1]


def _jpeg(clip: Clip) -> bytes:
    picture = Image.fromarray(clip.frames[0])
    width, height = picture.size
    if clip.pixel_aspect < 1:
        picture = picture.resize((max(1, round(width * clip.pixel_aspect)), height))
    elif clip.pixel_aspect > 1:
        picture = picture.resize((width, max(1, round(height / clip.pixel_aspect))))
    written = BytesIO()
    picture.save(written, "JPEG", quality=_QUALITY)
    return written.getvalue()
