"""Passes over a score matrix in blocks, so that memory stays near the size of the matrix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import ScoreError
from fdakit.values import Scores

BLOCK = 1 << 22  # scores processed together, 16 MiB in float32


def blocks(items: int, *, width: int) -> Iterator[slice]:
    """Yield slices over the items, each of about `BLOCK` scores if an item takes `width` of them."""
    step = max(1, BLOCK // max(1, width))
    for start in range(0, items, step):
        yield slice(start, min(start + step, items))


def check(scores: Scores) -> None:
    """Raise `ScoreError` if an owner is not a column or a score of a readable video is not finite."""
    queries, videos = scores.matrix.shape
    if scores.owners.dtype.kind not in "iu" or scores.lost.dtype != np.bool_:
        raise ScoreError(
            f"scores: owners {scores.owners.dtype} and lost {scores.lost.dtype}; wanted whole numbers and booleans"
        )
    strange = np.flatnonzero((scores.owners < 0) | (scores.owners >= videos))
    if strange.size:
        raise ScoreError(
            f"scores: captions {_few(strange)} belong to none of the {videos} videos; "
            f"give owners between 0 and {videos - 1}"
        )
    rows, columns = np.zeros(queries, np.bool_), np.zeros(videos, np.bool_)
    for part in blocks(queries, width=videos):
        broken = ~np.isfinite(scores.matrix[part]) & ~scores.lost
        rows[part] = broken.any(axis=1)
        columns |= broken.any(axis=0)
    if rows.any():
        raise ScoreError(
            f"scores: not finite for {rows.sum()} of {queries} queries (rows {_few(np.flatnonzero(rows))}) "
            f"and {columns.sum()} of {videos} videos (columns {_few(np.flatnonzero(columns))}); look for "
            "NaN, infinite or zero vectors there, and mark as lost the videos that could not be read"
        )


def _few(places: NDArray[np.int64]) -> str:
    """Return the first five indices, for a message."""
    more = ", ..." if places.size > 5 else ""
    return f"[{', '.join(map(str, places[:5]))}{more}]"
