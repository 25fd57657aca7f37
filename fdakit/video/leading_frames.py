"""The frames that no decoder can show at the beginning of a file that was cut out of a longer one.

Pictures that stand behind the first entry and are shown before it may refer to what is gone. Which of them come out,
the decoder itself is asked.
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
    """Return the index with the `leading` packets hidden of which no frame comes. Raises what PyAV raises."""
    entry = int(index.stamps[np.argmax(index.keys)])
    came = set()
    for frame in all_frames(context, (packet for _, packet in source.packets(0, len(index.stamps) - 1))):
        if frame.pts is None or frame.pts >= entry:
            break
        came.add(frame.pts)
    hidden = index.hidden.copy()
    hidden[[number for number in leading.tolist() if int(index.stamps[number]) not in came]] = True
    return replace(index, hidden=hidden)
