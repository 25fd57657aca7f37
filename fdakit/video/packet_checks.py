"""Whether a stream's packets alone determine its frames and their order, and if not, why.

They do if every packet yields one frame and is stamped with its presentation time. In doubt, the order and number of
frames are those of a full decode by one thread.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .packet_flags import BACKWARD, ENTRY, PARAMETERS, SILENT, UNSURE
from .timeline import PacketIndex
from .timestamps import NO_STAMP

_BROADCAST = frozenset({"mpegts", "mpeg"})
_STORES = _BROADCAST | {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv", "live_flv", "ogg", "nut", "ivf", "gif"}
"""FFmpeg's demuxers of containers that store presentation times; others number packets in file order."""

INVENTED = "its container does not say when frames are shown; they are taken in the decoder's order"
UNTIMED = "some frames have no time of their own; they are taken in the decoder's order"
RESTARTS = "its time starts again, as where files were joined; the parts are taken one after the other"
UNSURE_COUNT = "packets and pictures do not go one to one; its frames are those that decoding gives"
NO_ENTRY = "decoding can begin nowhere in it, by its own headers; its frames are those that decoding gives"


def index_packets(
    stamps: NDArray[np.int64],
    *,
    decoding: NDArray[np.int64],
    marks: NDArray[np.int64],
    discarded: NDArray[np.bool_],
    container: str,
    reorders: bool | None,
    delays: bool,
    tick: Fraction | None,
    rate: Fraction | None,
) -> PacketIndex:
    """Return the index of packets with these pts `stamps`, dts `decoding` and flags `marks`, each `(p,)`.

    All are in file order. `reorders`: whether the codec may reorder packets, None if the flags state it for each;
    `delays`: whether the decoder was seen to delay frames.
    """
    hidden = discarded | (marks & SILENT > 0)
    entries = keys = marks & ENTRY > 0
    if (marks & PARAMETERS).any():  # later packets may need parameters of any earlier one: always start at the first
        keys = keys & (np.arange(len(keys)) == 0)
    backward = bool((marks & BACKWARD).any()) if reorders is None else reorders
    shown = stamps[~hidden]
    rising = bool((np.diff(shown) > 0).all())
    stored = container in _STORES and not (rising and backward and delays and len(shown) > 2)
    doubt, invented, restarts = "", False, False
    if (shown == NO_STAMP).any():
        doubt, invented = (UNTIMED, False) if container in _STORES else (INVENTED, True)
    elif not stored and (backward or not rising):
        doubt, invented = INVENTED, True
    elif (not backward and bool((np.diff(shown) < 0).any())) or _restarts(stamps, decoding, entries, hidden):
        doubt, restarts = RESTARTS, True
    elif (marks & UNSURE).any():
        doubt = UNSURE_COUNT
    elif len(np.unique(shown)) < len(shown):
        doubt = UNTIMED
    elif reorders is None and not keys.any():
        doubt = NO_ENTRY
    return PacketIndex(
        stamps,
        keys,
        hidden,
        tick,
        rate,
        broadcast=container in _BROADCAST,
        doubt=doubt,
        invented=invented,
        restarts=restarts,
        slots=None if container in _STORES or (decoding == NO_STAMP).any() else decoding,
    )


def _restarts(
    stamps: NDArray[np.int64], decoding: NDArray[np.int64], keys: NDArray[np.bool_], hidden: NDArray[np.bool_]
) -> bool:
    """Return whether time runs backwards: in decoding order, or at a packet shown after all before it."""
    known = decoding[decoding != NO_STAMP]
    if (np.diff(known) < 0).any():
        return True
    highest = np.maximum.accumulate(np.where(hidden, NO_STAMP, stamps))
    later = np.flatnonzero(keys & ~hidden)
    later = later[later > 0]
    return bool((stamps[later] < highest[later - 1]).any())
