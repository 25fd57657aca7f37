"""How long a core takes to make a clip ready for training: read for the first time, and again in a later epoch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.loading.clip_loader import batches
from fdakit.errors import VideoError


@dataclass(frozen=True)
class ReadingPace:
    """Seconds a clip in one process: `first` as the clips are now, `again` in the next epoch.

    They differ if a frame store keeps what was read; a clip whose frames are drawn anew each epoch is decoded anew.
    """

    first: float
    again: float

    def step_seconds(self, computing: float, clips: int, *, workers: int, first: bool) -> float:
        """Return the seconds of a step that computes so long, while `workers` read the clips of the next one."""
        reading = clips * (self.first if first else self.again)
        return max(computing, reading / workers) if workers else computing + reading


def reading_pace(source: ClipDataset, draws: Sequence[ClipRequest]) -> ReadingPace:
    """Read clips twice in this process, as two epochs do. Raises `VideoError` if none of them can be read."""
    _seconds(source, draws[:1])  # with the first clip, what is needed for all is built
    first = _seconds(source, draws[1:] or draws)
    return ReadingPace(first, _seconds(source, [replace(draw, epoch=draw.epoch + 1) for draw in draws]))


def _seconds(source: ClipDataset, draws: Sequence[ClipRequest]) -> float:
    started, read, lost = time.perf_counter(), 0, ""
    for batch in batches(source, [[draw] for draw in draws], workers=0, prefetch=1):
        read += len(batch.ids)
        lost = next((video.reason for video in batch.lost), lost)
    if not read:
        raise VideoError(lost)
    return (time.perf_counter() - started) / read
