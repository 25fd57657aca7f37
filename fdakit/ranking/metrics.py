"""R@K, median, mean and reciprocal rank of a ranking."""

from __future__ import annotations

import re

import numpy as np

from fdakit.choices import TieRule
from fdakit.errors import ScoreError
from fdakit.query_ranks import Ranking

CUTOFFS = (1, 5, 10, 50)
SUMMED = (1, 5, 10)  # RSum, as is usual for one direction
_OWN = re.compile(r"R@\d+|MdR|MnR|MRR|RSum", re.IGNORECASE)


def is_own_name(name: str) -> bool:
    """Return whether a name is that of a metric of fdakit, which no other may take: `R@1`, `MdR`, `MnR`, ..."""
    return _OWN.fullmatch(name.strip()) is not None


def metrics(ranking: Ranking, *, ties: TieRule = "expected", cutoffs: tuple[int, ...] = CUTOFFS) -> dict[str, float]:
    """Return `R@K` in percent for every cutoff, `MdR`, `MnR`, `MRR` and `RSum`, unrounded.

    `MdR` and `MnR` are the median and mean rank from 1; the median is the mean of the middle two. `MRR` is the mean
    of 1 / rank, in (0, 1]; `RSum` is R@1 + R@5 + R@10 of this direction, up to 300. Under `expected` R@K and MRR are
    means over all orders of tied candidates, and the ranks are their mean ranks. Raises `ScoreError` for a ranking
    without queries, `ValueError` for an unknown tie rule or a cutoff below 1.
    """
    if ranking.better.size == 0:
        raise ScoreError("metrics: the ranking holds no query; give a split with captions")
    found = {f"R@{k}": recall(ranking, k, ties=ties) for k in cutoffs}
    ranks = ranking.ranks(ties)
    found |= {"MdR": float(np.median(ranks)), "MnR": float(ranks.mean())}
    found["MRR"] = float(ranking.reciprocals(ties).mean())
    return found | {"RSum": sum(recall(ranking, k, ties=ties) for k in SUMMED)}


def recall(ranking: Ranking, k: int, *, ties: TieRule) -> float:
    """Return `R@K` in percent."""
    return 100.0 * float(ranking.hits(k, ties).sum()) / ranking.better.size
