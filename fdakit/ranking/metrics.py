"""R@K, median and mean rank of a ranking."""

from __future__ import annotations

import numpy as np

from fdakit.errors import ScoreError

from .ranks import Ranking, TieRule


def metrics(
    ranking: Ranking, *, ties: TieRule = "expected", cutoffs: tuple[int, ...] = (1, 5, 10)
) -> dict[str, float]:
    """`R@K` in percent for every cutoff, then `MdR` and `MnR`, the median and mean rank from 1; unrounded.

    The median is the mean of the middle two. Under `expected` R@K is its mean over all orders of the tied,
    and the ranks are their mean ranks. Raises `ScoreError` for a ranking without queries, `ValueError` for an
    unknown tie rule or a cutoff below 1.
    """
    queries = ranking.better.size
    if queries == 0:
        raise ScoreError("metrics: the ranking holds no query; give a split with captions")
    found = {f"R@{k}": 100.0 * float(ranking.hits(k, ties).sum()) / queries for k in cutoffs}
    ranks = ranking.ranks(ties)
    return found | {"MdR": float(np.median(ranks)), "MnR": float(ranks.mean())}
