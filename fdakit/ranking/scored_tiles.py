"""Tiles of scores that a function computes, for matchers whose score is no inner product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import ScoreError

from .tiles import Layout, Places

if TYPE_CHECKING:
    import torch

Score = Callable[[Places, Places], NDArray[np.float32]]
"""Numbers of distinct texts `(a,)` and of distinct videos `(b,)` -> their scores `(a, b)`."""


@dataclass(frozen=True, repr=False)
class Pairs:
    """Texts and videos that `score` compares, too many for a matrix.

    `texts (q,)` and `videos (v,)` number what each caption and each video is, equal ones alike; `owners (q,)` and
    `lost (v,)` as in `Vectors`. The score of a pair depends on that pair alone.
    """

    score: Score
    texts: Places
    videos: Places
    owners: Places
    lost: NDArray[np.bool_]

    def __repr__(self) -> str:
        return f"Pairs({len(self.texts)} texts, {len(self.videos)} videos, lost={int(self.lost.sum())})"


class ScoredTiles:
    """Tiles of a `Layout`, each distinct text and each distinct video of a tile compared once."""

    def __init__(self, layout: Layout, pairs: Pairs, device: str) -> None:
        self._layout, self._score, self._device = layout, pairs.score, device
        self._lost = np.unique(pairs.videos[pairs.lost])
        self._columns = self._copies = np.zeros(0, np.int64)
        self._of_shared = np.zeros((0, 0), np.float32)

    def moved(self, values: NDArray[Any]) -> torch.Tensor:
        """Return the values on the device."""
        import torch

        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    def turn_to(self, columns: slice) -> None:
        """Select the column tile of the following calls."""
        self._columns, self._copies = np.unique(self._layout.videos[columns], return_inverse=True)
        self._of_shared = self._compared(self._layout.shared)

    def __call__(self, rows: slice) -> torch.Tensor:
        """Return scores float32 `(rows, columns)`, which the caller may modify. Raises `ScoreError` for NaN."""
        numbers = self._layout.texts[rows]
        several = np.isin(numbers, self._layout.shared)
        scores = np.empty((len(numbers), len(self._columns)), np.float32)
        scores[several] = self._of_shared[np.searchsorted(self._layout.shared, numbers[several])]
        scores[~several] = self._compared(numbers[~several])
        return self.moved(scores[:, self._copies])

    def _compared(self, texts: Places) -> NDArray[np.float32]:
        if not len(texts):
            return np.zeros((0, len(self._columns)), np.float32)
        found = self._score(texts, self._columns)
        if not np.isfinite(found[:, ~np.isin(self._columns, self._lost)]).all():
            raise ScoreError("scores: some are not finite; look for NaN or infinite values in vectors and weights")
        return found
