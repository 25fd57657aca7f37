"""Several right answers to a query, possibly graded: the rank of the best, and nDCG."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import TieRule
from fdakit.errors import ScoreError, nearest
from fdakit.query_ranks import Ranking

from .scan import blocks

Matrix = NDArray[np.floating[Any]]


def check_relevance(matrix: Matrix, gains: Matrix) -> None:
    """Raise `ScoreError` if `gains (q, c)` do not fit `matrix (q, c)`, or scores or gains are invalid."""
    if gains.shape != matrix.shape:
        raise ScoreError(f"truth {gains.shape} beside scores {matrix.shape}; wanted one gain for each score")
    if not np.isfinite(matrix).all():
        rows = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
        raise ScoreError(f"scores: not finite for {len(rows)} of {len(matrix)} queries, first row {rows[0]}")
    if not np.isfinite(gains).all() or (gains < 0).any():
        raise ScoreError("truth: gains must be finite and not below zero; 0 for what is not relevant")
    without = np.flatnonzero(~(gains > 0).any(axis=1))
    if without.size:
        raise ScoreError(
            f"truth: {without.size} of {len(matrix)} queries have no right answer, first row {without[0]}; give one"
        )


def rank_relevant(matrix: Matrix, gains: Matrix) -> Ranking:
    """Return the rank of each query's best right answer among `matrix (q, c)`.

    An answer is right if its gain is above 0; other right answers are not counted as better. Raises `ScoreError` as
    `check_relevance` does.
    """
    check_relevance(matrix, gains)
    better, equal = np.empty(len(matrix), np.int64), np.empty(len(matrix), np.int64)
    for part in blocks(len(matrix), width=matrix.shape[1]):
        right = gains[part] > 0
        best = np.max(matrix[part], axis=1, where=right, initial=-np.inf)[:, None]
        better[part] = np.count_nonzero(matrix[part] > best, axis=1)
        equal[part] = np.count_nonzero((matrix[part] == best) & ~right, axis=1)
    return Ranking(better, equal, matrix.shape[1])


def ndcg(matrix: Matrix, gains: Matrix, *, ties: TieRule = "expected") -> NDArray[np.float64]:
    """Return the normalised discounted cumulative gain of each query `(q,)`, in [0, 1], over the whole ranking.

    A gain g at rank p counts g / log2(1 + p), and the sum is divided by that of the best order (Järvelin and
    Kekäläinen, TOIS 2002). Under `expected` and `average` each tied answer gets the mean gain of them all (McSherry
    and Najork, ECIR 2008). Raises `ScoreError` as `check_relevance` does, `ValueError` for an unknown tie rule.
    """
    if ties not in get_args(TieRule):
        raise ValueError(f"unknown tie rule {ties!r}; {nearest(str(ties), get_args(TieRule))}")
    check_relevance(matrix, gains)
    discounts = 1.0 / np.log2(np.arange(2, matrix.shape[1] + 2))
    found = np.empty(len(matrix))
    for row, (scores, worth) in enumerate(zip(matrix, gains, strict=True)):
        order = np.lexsort((worth if ties == "pessimistic" else -worth, -scores))
        ordered = worth[order].astype(np.float64)
        if ties in ("expected", "average"):
            ordered = _shared(ordered, scores[order])
        found[row] = ordered @ discounts / (np.sort(worth)[::-1] @ discounts)
    return found


def _shared(gains: NDArray[np.float64], scores: Matrix) -> NDArray[np.float64]:
    """Return gains in the order of descending scores, each replaced by the mean over equal scores."""
    starts = np.flatnonzero(np.concatenate([[True], scores[1:] != scores[:-1]]))
    counts = np.diff(np.append(starts, len(scores)))
    return np.repeat(np.add.reduceat(gains, starts) / counts, counts)
