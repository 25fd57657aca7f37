"""Batches of a training: the pairs they are made of, and the contract of what makes them.

Nothing here imports torch: a plugin may import this module for free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TrainingPairs:
    """Pairs of a video and a caption of it.

    `places (n,)` are the positions of the captions among those of the split, and `videos (n,)` those of their videos.
    `contents (n,)` are equal for videos that show the same. `ids` are the ids of the videos, `texts` the captions,
    one a pair. Arrays are int64, and not to be written to.
    """

    places: NDArray[np.int64]
    videos: NDArray[np.int64]
    contents: NDArray[np.int64]
    ids: tuple[str, ...]
    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.places, self.videos, self.contents, self.ids, self.texts)}
        if len(lengths) != 1:
            raise ValueError(f"columns of {sorted(lengths)} pairs; wanted one entry a pair in each")
        for column in (self.places, self.videos, self.contents):
            column.setflags(write=False)

    def __len__(self) -> int:
        return len(self.places)

    def rows(self, index: Sequence[int] | NDArray[np.int64]) -> TrainingPairs:
        """Return some of the pairs, in the order of an index."""
        chosen = np.asarray(index, np.int64)
        ids, texts = (tuple(column[row] for row in chosen.tolist()) for column in (self.ids, self.texts))
        return TrainingPairs(self.places[chosen], self.videos[chosen], self.contents[chosen], ids, texts)


class Batcher(Protocol):
    """Says which pairs form a batch.

    `repeats` is whether a pair may be in several batches of an epoch.
    """

    repeats: bool

    def __call__(
        self, pairs: TrainingPairs, batch_size: int, epoch: int, rng: np.random.Generator
    ) -> Sequence[Sequence[int]]:
        """Return the batches of an epoch, from 0, in order: rows of `pairs`, 1 to `batch_size` in each, none twice.

        `rng` is keyed by the seed and the epoch. It is called for any epoch at any time, to count the steps of a
        training and to resume one, so the batches depend on what it is given alone.
        """
        ...


def extra_rows(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of pairs as `Batch.extra` holds them: a tensor of a tensor or array, else a tuple."""
    import torch

    def by_row(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return torch.tensor(value)
        return value if isinstance(value, torch.Tensor) else tuple(value)

    return {name: by_row(value) for name, value in given.items()}


def batches_fault(batches: Any, *, count: int, batch_size: int, repeats: bool) -> str:
    """Return what keeps batches from being some of `count` pairs; "" where nothing does."""
    used = np.zeros(count, bool)
    for number, batch in enumerate(batches, 1):
        rows = np.asarray(batch)
        if rows.ndim != 1 or rows.dtype.kind not in "iu" or not 1 <= len(rows) <= batch_size:
            found = f"{len(rows)} rows" if rows.ndim == 1 and rows.dtype.kind in "iu" else repr(batch)[:80]
            return f"batch {number} is {found}; wanted 1 to {batch_size} rows of the pairs"
        if rows.min() < 0 or rows.max() >= count:
            return f"batch {number} has rows from {rows.min()} to {rows.max()}; there are {count} pairs, from 0"
        values, counts = np.unique(rows, return_counts=True)
        if counts.max() > 1:
            return f"batch {number} has pair {values[counts.argmax()]} twice"
        if not repeats and used[rows].any():
            again = int(rows[used[rows]][0])
            return f"batch {number} has pair {again}, which an earlier batch has; set repeats = True if that is meant"
        used[rows] = True
    return ""
