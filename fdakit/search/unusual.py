"""Segments that are least like the rest of an index: far even from their nearest neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdakit.random_keys import keyed_rng

NEIGHBOURS = 5
REFERENCES = 20_000
"""At most so many segments, drawn at random, are what others are compared with."""

_BLOCK = 1024


def unlikeness(
    vectors: NDArray[np.float32], videos: NDArray[np.int64], references: NDArray[np.float32], named: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return for each vector `(n, d)` one minus its mean cosine with its nearest references `(m, d)` of other videos.

    `videos (n,)` and `named (m,)` tell which video each is of: segments of one video are alike, and overlap. Where
    there is no other video it is 0.
    """
    found = np.zeros(len(vectors), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        part = slice(start, start + _BLOCK)
        cosines = vectors[part] @ references.T
        cosines[videos[part, None] == named[None]] = -np.inf
        count = min(NEIGHBOURS, cosines.shape[1])
        nearest = -np.partition(-cosines, count - 1, axis=1)[:, :count]
        there = np.isfinite(nearest)
        total = np.where(there, nearest, 0).sum(1)
        counts = there.sum(1)
        found[part] = np.where(counts > 0, 1 - total / np.maximum(counts, 1), 0)
    return found


def drawn_references(count: int) -> NDArray[np.int64]:
    """Return which of `count` segments are the references: all, or `REFERENCES` of them, the same each time."""
    if count <= REFERENCES:
        return np.arange(count)
    return np.sort(keyed_rng(0, "references of unusual segments").choice(count, REFERENCES, replace=False))
