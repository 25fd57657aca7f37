"""Leading frames that cannot be decoded, at the start of a file cut out of a longer one.

Pictures after the first entry point that are shown before it may refer to missing pictures. The decoder itself
determines which of them come out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .packet_source import PacketSource, all_frames
from .timeline import PacketIndex

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext


def leading_packets(index: PacketIndex) -> NDArray[np.int64]:
    """Return the packets that are shown before the first entry, by number `(n,)`."""
    entries = np.flatnonzero(index.keys)
    if not len(entries):
        return entries
    return np.flatnonzero(~index.hidden & (index.stamps < index.stamps[entries[0]]))


def without_unshown(
    index: PacketIndex, leading: NDArray[np.int64], source: PacketSource, context: VideoCodecContext
) -> PacketIndex:
    """Return the index with those `leading` packets hidden that yield no frame. Raises what PyAV raises."""
    entry = int(index.stamps[np.argmax(index.keys)])
    came = set()
    for frame in all_frames(context, (packet for _, packet in source.packets(0, len(index.stamps) - 1))):
        if frame.pts is None or frame.pts >= entry:
            break
        came.add(frame.pts)
    hidden = index.hidden.copy()
    hidden[[number for number in leading.tolist() if int(index.stamps[number]) not in came]] = True
    return replace(index, hidden=hidden)
