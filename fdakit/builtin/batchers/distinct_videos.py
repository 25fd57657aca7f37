"""Batches of distinct videos: with several captions a video, none is another's negative."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from fdakit.plugin import Batcher, BuildContext, Component, Options, TrainingPairs, hookimpl


class DistinctVideosOptions(Options):
    """No options."""


class DistinctVideos:
    """Equal batches in random order, without two pairs of one video, or of videos that show the same.

    A pair whose video is already in the batch waits for a later one; an incomplete last batch is left for the next
    epoch's sample.
    """

    repeats = False

    def __call__(
        self, pairs: TrainingPairs, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> list[list[int]]:
        """Return batches of `batch_size` pairs, or of as many as there are different videos."""
        order = deque(rng.permutation(len(pairs)).tolist())
        contents = pairs.contents.tolist()
        size = min(batch_size, len(set(contents)))
        plan: list[list[int]] = []
        waiting: deque[int] = deque()
        while 0 < size <= len(order) + len(waiting):
            batch: list[int] = []
            seen: set[int] = set()
            passed: deque[int] = deque()
            for queue in (waiting, order):
                while queue and len(batch) < size:
                    row = queue.popleft()
                    if contents[row] in seen:
                        passed.append(row)
                    else:
                        seen.add(contents[row])
                        batch.append(row)
            waiting = deque([*passed, *waiting])
            if len(batch) < size:
                break
            plan.append(batch)
        return plan


def build(options: DistinctVideosOptions, shapes: BuildContext) -> Batcher:
    """Return the batcher."""
    return DistinctVideos()


DISTINCT_VIDEOS = Component(
    "distinct-videos",
    "equal batches in random order, no video twice in one",
    DistinctVideosOptions,
    build,
    when="nearly always: captions of one video are never taken for wrong answers to each other",
)


@hookimpl
def fdakit_batchers() -> Iterable[Component[Any, Batcher]]:
    return (DISTINCT_VIDEOS,)
