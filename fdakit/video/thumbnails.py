"""Thumbnails of videos for pages: the middle frame or a few frames, upright and with square pixels."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fdakit.errors import VideoError
from fdakit.values import VideoRef

from .damage_survey import survey_video
from .decode import OpenVideo, read_frames
from .frame_buffer import Size

_WIDEST = 3  # width over height; a wider frame is made lower instead
_QUALITY = 80
_GAP = 2  # white px between frames


def thumbnail(video: VideoRef, *, height: int = 120, frames: int = 1) -> bytes:
    """Return the middle frame of the video, or of its segment, as JPEG.

    Several `frames` are the middles of as many equal parts, side by side. Each is at most `height` px high and three
    times as wide, and never enlarged. In a partly damaged file they are taken from the decodable frames. Raises
    `VideoError` if the video cannot be read.
    """

    def size(own: Size) -> Size:
        scale = min(1.0, height / own[0], _WIDEST * height / own[1])
        return max(1, round(own[0] * scale)), max(1, round(own[1] * scale))

    try:
        with OpenVideo(video) as opened:
            clip = opened.read(_middles(np.arange(len(opened.times())), frames), size=size)
    except VideoError:
        clip = read_frames(video, indices=_middles(survey_video(video).sound, frames), size=size, tolerant=True)
    return frames_jpeg(clip.frames, pixel_aspect=clip.pixel_aspect)


def _middles(indices: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the middles of `count` equal parts, each once."""
    return np.unique(indices[(2 * np.arange(count) + 1) * len(indices) // (2 * count)])


def frames_jpeg(frames: NDArray[np.uint8], *, pixel_aspect: float = 1.0) -> bytes:
    """Return the frames `(t, h, w, 3)` side by side as JPEG, with square pixels."""
    count, height, width, _ = frames.shape
    strip = np.full((height, count * width + (count - 1) * _GAP, 3), 255, np.uint8)
    for place, frame in enumerate(frames):
        strip[:, place * (width + _GAP) :][:, :width] = frame
    picture = Image.fromarray(strip)
    width, height = picture.size
    if pixel_aspect < 1:
        picture = picture.resize((max(1, round(width * pixel_aspect)), height))
    elif pixel_aspect > 1:
        picture = picture.resize((width, max(1, round(height / pixel_aspect))))
    written = BytesIO()
    picture.save(written, "JPEG", quality=_QUALITY)
    return written.getvalue()
