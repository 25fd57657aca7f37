"""Pairs to make batches of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fdakit.plugin import TrainingPairs


def pairs_of(counts: Sequence[int], contents: Sequence[int] | None = None) -> TrainingPairs:
    """Video k with `counts[k]` captions; it shows what `contents[k]` says, itself unless given."""
    videos = np.repeat(np.arange(len(counts)), counts)
    places = [place for count in counts for place in range(count)]
    texts = tuple(f"{video}/{place}" for video, place in zip(videos.tolist(), places, strict=True))
    shown = np.arange(len(counts)) if contents is None else np.array(contents)
    return TrainingPairs(np.arange(len(videos)), videos, shown[videos], tuple(f"v{v}" for v in videos), texts)
