"""Scores of a table's rows for a query, to the same bit whichever rows are looked at together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .vector_stores import Found, StoredVectors

_UNIT = 2.0**-24  # rounding of a float32 number, relative


def inner_products(rows: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the inner products `(m,)` of rows `(m, d)` and a query `(d,)`, summed in float64 and then rounded.

    The product of a row depends on no other row, as that of a matrix product may.
    """
    products = np.multiply(rows, query, dtype=np.float64, order="C")
    return np.asarray(products.sum(axis=1), np.float32)


def rounding(width: int) -> float:
    """Return how far the sum of a float32 matrix product may lie from `inner_products`, for unit vectors.

    The bound of any order of summation (Higham, *Accuracy and Stability of Numerical Algorithms*, section 3.1).
    """
    return 1.01 * (width + 1) * _UNIT


def best_rows(
    vectors: StoredVectors, queries: NDArray[np.float32], candidates: Sequence[NDArray[np.int64]], k: int
) -> Found:
    """Return the k best of the candidates of each query, as `VectorStore.search` does.

    `candidates` are positions, some for each of `queries (q, d)`, in any order, none twice.
    """
    scores = np.full((len(queries), k), -np.inf, np.float32)
    positions = np.full((len(queries), k), -1, np.int64)
    for place, (query, some) in enumerate(zip(queries, candidates, strict=True)):
        products, found = _best(vectors, query, np.sort(some), k)
        scores[place, : len(found)], positions[place, : len(found)] = products, found
    return scores, positions


def _best(vectors: StoredVectors, query: NDArray[np.float32], positions: NDArray[np.int64], k: int) -> Found:
    rows = vectors.gather(positions)
    if len(positions) > k:
        rough = rows @ query
        least = np.partition(rough, -k)[-k] - 2 * rounding(len(query))
        near = np.flatnonzero(rough >= least)
        positions, rows = positions[near], rows[near]
    scores = inner_products(rows, query)
    order = np.argsort(-scores, kind="stable")[:k]  # positions ascend
    return scores[order], positions[order]
