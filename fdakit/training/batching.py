"""The batches of an epoch, as a batcher makes them of the pairs that are trained on in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import CaptionsRule
from fdakit.errors import PartError, attribute_errors
from fdakit.plugin.batching import Batcher, TrainingPairs, batches_fault
from fdakit.random_keys import keyed_rng, keyed_seed

Batches = Sequence[Sequence[int]]


def epoch_batches(
    batcher: Batcher, pairs: TrainingPairs, *, batch_size: int, seed: int, epoch: int, label: str
) -> Batches:
    """Return the batches of one epoch, drawn by (seed, epoch): rows of `pairs`.

    Raises `PartError`, naming the `label`, if the batcher fails or makes batches that are none.
    """
    with attribute_errors(label, where := f"in epoch {epoch + 1}"):
        made = batcher(pairs, batch_size, epoch, keyed_rng(seed, "order", epoch))
        batches = list(made) if isinstance(made, Iterator | np.ndarray) else made
        fault = batches_fault(batches, count=len(pairs), batch_size=batch_size, repeats=batcher.repeats)
    if fault:
        raise PartError(f"{label} failed {where}: {fault}")
    return batches


def epoch_pairs(pairs: TrainingPairs, *, captions: CaptionsRule, seed: int, epoch: int) -> TrainingPairs:
    """Return the pairs of one epoch: all of them, or one of each video, drawn by (seed, epoch, video)."""
    return pairs if captions == "all" else pairs.rows(_one_each(pairs, seed=seed, epoch=epoch))


def _one_each(pairs: TrainingPairs, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return a row for each video, in the order of the videos."""
    by_video = np.argsort(pairs.videos, kind="stable")
    _, firsts, counts = np.unique(pairs.videos[by_video], return_index=True, return_counts=True)
    drawn = [
        keyed_seed(seed, "caption", epoch, pairs.ids[by_video[first]]) % count
        for first, count in zip(firsts.tolist(), counts.tolist(), strict=True)
    ]
    return np.asarray(by_video[firsts + np.array(drawn, np.int64)], np.int64)
