"""A full sequential decode of a file, for files whose packets do not determine their frames.

The frames are held, up to a limit, so that the next request need not decode the file again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .packet_source import PacketSource, all_frames
from .probe import error_text
from .timestamps import NO_STAMP

if TYPE_CHECKING:
    from av import VideoFrame

KEPT_BYTES = 192_000_000  # of decoded frames held in memory; none are held of a larger video


@dataclass(frozen=True)
class SequentialDecode:
    """Frames in the order in which the decoder gives them, damaged packets skipped.

    `stamps (n,)` are their pts. `fault` describes the first error, "" if there is none, and `sound_until` is how many
    frames came before it. `frames` holds all of them or none.
    """

    stamps: NDArray[np.int64]
    fault: str
    sound_until: int
    frames: tuple[VideoFrame, ...]


def decode_sequentially(source: PacketSource) -> SequentialDecode:
    """Decode a file to its end."""
    stamps: list[int] = []
    kept: list[VideoFrame] = []
    faults: list[Exception] = []
    sound_until, room = -1, KEPT_BYTES
    area = size = 0
    with source.everything() as (context, packets):
        for frame in all_frames(context, packets, faults=faults):
            if faults and sound_until < 0:
                sound_until = len(stamps)
            stamps.append(NO_STAMP if frame.pts is None else frame.pts)
            if frame.width * frame.height != area:
                area = frame.width * frame.height
                size = sum(plane.buffer_size for plane in frame.planes)
            room -= size
            if room >= 0:
                kept.append(frame)
            else:
                kept.clear()
    fault = f"decoding fails: {error_text(faults[0])}" if faults else ""
    until = sound_until if sound_until >= 0 else len(stamps)
    return SequentialDecode(np.array(stamps, np.int64), fault, until, tuple(kept))
