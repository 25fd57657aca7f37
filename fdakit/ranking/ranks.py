"""The rank of the right item among its candidates, counted exactly: no sort order, no tolerance.

A rank is stored as two counts, candidates scored strictly higher and other candidates scored equal, so that every tie
rule can be applied later. Equal means equal bits: the same text gives the same row of scores.
"""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import VideoToTextRule
from fdakit.errors import nearest
from fdakit.query_ranks import Ranking
from fdakit.values import Scores

from .scan import blocks, check


def rank_captions(scores: Scores) -> Ranking:
    """Rank text to video: every caption `(q,)`, in row order, is a query over the N videos (`pool`).

    A caption of an unreadable video has rank N, the last, which is within the first K only if N <= K; the others are
    ranked among the videos that have vectors. Raises `ScoreError` if scores outside the columns of unreadable videos
    are not finite or an owner is not a column.
    """
    check(scores)
    queries, pool = scores.matrix.shape
    better, equal = np.full(queries, pool - 1, np.int64), np.zeros(queries, np.int64)
    live = np.flatnonzero(~scores.lost)
    ranked = np.flatnonzero(~scores.lost[scores.owners])
    for part in blocks(ranked.size, width=pool):
        rows = ranked[part]
        candidates = scores.matrix[rows][:, live] if live.size < pool else scores.matrix[rows]
        better[rows], equal[rows] = _count(candidates.T, holders=live, targets=scores.owners[rows])
    return Ranking(better, equal, pool)


def rank_videos(scores: Scores, *, mode: VideoToTextRule = "grouped") -> Ranking:
    """Rank video to text: every video that owns a caption, in the order of `np.unique(owners)`, is a query.

    `grouped` (as CLIP4Clip and Prompt Switch count): the candidates are the N caption sets, the score of a set is the
    best of its captions. `per-caption`: the candidates are all N captions and the target is the best own one; the
    other own captions are right answers too, so they are not counted, neither as better nor as equal. The two modes
    are not comparable. An unreadable video has rank N as a query, its captions stay candidates. Raises `ScoreError`
    as `rank_captions` does, `ValueError` for an unknown mode.
    """
    if mode not in get_args(VideoToTextRule):
        raise ValueError(f"unknown mode {mode!r}; {nearest(str(mode), get_args(VideoToTextRule))}")
    check(scores)
    order = np.argsort(scores.owners, kind="stable")
    owned, starts = np.unique(scores.owners[order], return_index=True)
    pool = owned.size if mode == "grouped" else order.size
    better, equal = np.full(owned.size, pool - 1, np.int64), np.zeros(owned.size, np.int64)
    ranked = np.flatnonzero(~scores.lost[owned])
    for part in blocks(ranked.size, width=order.size):
        which = ranked[part]
        candidates, holders = scores.matrix[:, owned[which]], scores.owners
        if mode == "grouped":
            candidates, holders = np.maximum.reduceat(candidates[order], starts, axis=0), owned
        better[which], equal[which] = _count(candidates, holders=holders, targets=owned[which])
    return Ranking(better, equal, pool)


def _count(
    candidates: NDArray[np.floating[Any]], *, holders: NDArray[np.int64], targets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return counts `(b,)` of better and of equal candidates; scores `(c, b)`, `holders (c,)` own the candidates."""
    own = holders[:, None] == targets
    best = np.max(candidates, axis=0, where=own, initial=-np.inf)
    better = np.count_nonzero(candidates > best, axis=0)
    equal = np.count_nonzero((candidates == best) & ~own, axis=0)
    return np.asarray(better, np.int64), np.asarray(equal, np.int64)
