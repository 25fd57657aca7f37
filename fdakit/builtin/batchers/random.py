"""Batches of any pairs in random order, as CLIP4Clip and most published trainings make them.

Source: CLIP4Clip, main_task_retrieval.py: a DataLoader that shuffles (video, sentence) pairs, with drop_last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fdakit.plugin import Batcher, BuildContext, Component, Options, TrainingPairs, hookimpl


class RandomOptions(Options):
    """No options."""


class Random:
    """Equal batches of any pairs; an incomplete last batch is left out."""

    repeats = False

    def __call__(
        self, pairs: TrainingPairs, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> list[list[int]]:
        """Return batches of `batch_size` pairs, or one of all if there are fewer."""
        order, size = rng.permutation(len(pairs)).tolist(), min(batch_size, len(pairs))
        return [order[start : start + size] for start in range(0, len(order) - size + 1, size)] if size else []


def build(options: RandomOptions, shapes: BuildContext) -> Batcher:
    """Return the batcher."""
    return Random()


RANDOM = Component(
    "random",
    "equal batches in random order, whatever their videos",
    RandomOptions,
    build,
    when="to train as published code does, where captions of one video may be each other's negatives",
)


@hookimpl
def fdakit_batchers() -> Iterable[Component[Any, Batcher]]:
    return (RANDOM,)
