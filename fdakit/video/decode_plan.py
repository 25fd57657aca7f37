"""Which packets must be decoded for the wanted frames: from the last entry point before each, no further."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .timeline import Timeline

SKIPPING = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vp8", "vp9", "av1"})
"""Codecs whose decoders can skip frames that no other frame refers to."""


@dataclass(frozen=True)
class Run:
    """Packets `first` to `last`, both included, decoded in one pass; `wanted` are those whose frames are needed."""

    first: int
    last: int
    wanted: frozenset[int]


def plan_runs(timeline: Timeline, positions: Sequence[int]) -> tuple[Run, ...]:
    """Return the runs that yield the frames at `positions`; a new one starts only where it saves decoding."""
    assert timeline.packets is not None
    asked = timeline.packets[list(positions)].tolist()
    keys = np.flatnonzero(timeline.index.keys)
    stamps = timeline.index.stamps
    stretches = sorted((_start(keys, stamps, packet), packet) for packet in asked)
    runs: list[Run] = []
    for start, packet in stretches:
        last = runs[-1] if runs else None
        if last is not None and start <= last.last + 1:
            runs[-1] = Run(last.first, max(last.last, packet), last.wanted | {packet})
        else:
            runs.append(Run(start, packet, frozenset({packet})))
    return tuple(runs)


def _start(keys: NDArray[np.int64], stamps: NDArray[np.int64], packet: int) -> int:
    """Return the last entry point at or before a packet and shown no later.

    Its leading frames may need an earlier entry point.
    """
    for key in keys[: np.searchsorted(keys, packet, side="right")][::-1].tolist():
        if stamps[key] <= stamps[packet]:
            return int(key)
    return 0
