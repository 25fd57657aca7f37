"""The scan of all rows of a table: which of them may be among the best of a query."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin import StoredVectors, rounding

SCORES = 1 << 22  # of a block of rows with all queries of a group, at most
GROUP = 256  # queries that share a scan


def near_rows(
    vectors: StoredVectors, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None
) -> list[NDArray[np.int64]]:
    """Return positions for each query: the k best rows are among them, and few others.

    Scores of a matrix product are rounded differently in another block, so a row stays as long as rounding alone may
    keep it from the best.
    """
    pools = [_Pool(k, 2 * rounding(vectors.width)) for _ in queries]
    for start in range(0, len(queries), GROUP):
        group, own = queries[start : start + GROUP], pools[start : start + GROUP]
        for first, rows in _blocks(vectors, SCORES // len(group)):
            _scan_block(group, own, first, rows, allowed)
    return [pool.positions for pool in pools]


def _blocks(vectors: StoredVectors, most: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for first, rows in vectors.chunks():
        for start in range(0, len(rows), most):
            yield first + start, rows[start : start + most]


def _scan_block(
    queries: NDArray[np.float32],
    pools: list[_Pool],
    first: int,
    rows: NDArray[np.float32],
    allowed: NDArray[np.bool_] | None,
) -> None:
    places = np.arange(first, first + len(rows))
    if allowed is not None:
        inside = allowed[first : first + len(rows)]
        if not inside.all():
            places, rows = places[inside], rows[inside]
    if len(places):
        for pool, scores in zip(pools, queries @ rows.T, strict=True):
            pool.add(scores, places)


class _Pool:
    """Rows of one query that may be among its k best: no more than `slack` below the k-th so far."""

    def __init__(self, k: int, slack: float) -> None:
        self._k, self._slack = k, slack
        self._least = -np.inf
        self._scores = np.zeros(0, np.float32)
        self.positions = np.zeros(0, np.int64)

    def add(self, scores: NDArray[np.float32], positions: NDArray[np.int64]) -> None:
        """Take the scores `(m,)` of rows into account."""
        fit = np.flatnonzero(scores >= self._least)
        if not len(fit):
            return
        self._scores = np.concatenate([self._scores, scores[fit]])
        self.positions = np.concatenate([self.positions, positions[fit]])
        if len(self._scores) > self._k:
            self._least = float(np.partition(self._scores, -self._k)[-self._k]) - self._slack
            kept = self._scores >= self._least
            self._scores, self.positions = self._scores[kept], self.positions[kept]
