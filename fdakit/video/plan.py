"""Which packets must be decoded for the frames that are wanted: from the last keyframe before each, no further."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .timeline import Timeline

SKIPPING = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vp8", "vp9", "av1"})
"""Codecs whose decoders leave out frames that no other frame refers to, when told."""

JUMPING = SKIPPING | {"mjpeg", "prores", "dnxhd", "h263", "ffv1", "theora"}
"""Codecs whose keyframes stand alone. Not GIF: each of its frames is drawn over the last."""


@dataclass(frozen=True)
class Run:
    """Packets `first` to `last`, both included, decoded in one go; `wanted` are those whose frames are asked for."""

    first: int
    last: int
    wanted: frozenset[int]


def plan_runs(timeline: Timeline, positions: Sequence[int], *, codec: str) -> tuple[Run, ...]:
    """Runs that yield the frames at `positions`. A new one begins only where a keyframe saves decoding."""
    jumping = codec in JUMPING and timeline.stamped
    asked = timeline.packets[list(positions)].tolist()
    stretches = sorted((_start(timeline, packet) if jumping else 0, packet) for packet in asked)
    runs: list[Run] = []
    for start, packet in stretches:
        last = runs[-1] if runs else None
        if last is not None and start <= last.last + 1:
            runs[-1] = Run(last.first, max(last.last, packet), last.wanted | {packet})
        else:
            runs.append(Run(start, packet, frozenset({packet})))
    return tuple(runs)


def _start(timeline: Timeline, packet: int) -> int:
    """The last keyframe at or before a packet and shown no later: frames that lead it may need the one before."""
    index = timeline.index
    keys = np.flatnonzero(index.keys[: packet + 1])
    keys = keys[index.stamps[keys] <= index.stamps[packet]]
    return int(keys[-1]) if len(keys) else 0
