"""The share of repeated frames of a video, estimated from a few stretches of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdakit.values import VideoRef

from .decode import OpenVideo
from .frame_buffer import miniature_size
from .repeated_frames import REACH, change, luma_miniature, repeats

_STRETCHES = 4  # spread over the video
_LENGTH = 12  # frames in each: two periods of 25 frames shown as 30


def count_repeats(video: VideoRef) -> tuple[int, int]:
    """Return how many frames repeat the one before them, and how many were examined.

    Still images count as repeats. Raises `VideoError` if the file cannot be read.
    """
    with OpenVideo(video) as opened:
        stretches = _stretches(len(opened.times()))
        wanted = np.unique(np.concatenate(stretches))
        frames = opened.read(wanted, size=miniature_size).frames
    seen = dict(zip(wanted.tolist(), map(luma_miniature, frames), strict=True))
    found = asked = 0
    for stretch in stretches:
        places = stretch.tolist()
        for start in range(_LENGTH if len(stretches) > 1 else len(places) - 1):
            ahead = places[start + 1 : start + 2 + REACH]
            found += repeats([change(seen[places[start]], seen[place]) for place in ahead])
            asked += 1
    return found, asked


def _stretches(count: int) -> list[NDArray[np.int64]]:
    """Return runs of frames around the middles of equal parts; the whole of a short video."""
    length = _LENGTH + 1 + REACH
    if count <= _STRETCHES * length:
        return [np.arange(count)]
    starts = [(2 * part + 1) * count // (2 * _STRETCHES) - length // 2 for part in range(_STRETCHES)]
    return [np.arange(start, start + length) for start in starts]
