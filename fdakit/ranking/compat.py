"""Metrics as CLIP4Clip counts them, for comparison with published tables only: its ranks of ties are wrong.

Its code finds every position of the right score in the sorted row, so a query tied with e others gives e + 1 ranks
and has e + 1 times the weight (see github.com/ArrowLuo/CLIP4Clip, metrics.py; mmaction2 does the same).
"""

from __future__ import annotations

import numpy as np

from fdakit.errors import ScoreError
from fdakit.query_ranks import Ranking

from .metrics import CUTOFFS, SUMMED


def clip4clip_metrics(ranking: Ranking) -> dict[str, float]:
    """Return the names of `metrics()` over one rank for each tied position, and `entries`, their number.

    Without ties it equals `metrics()`. With several captions a video CLIP4Clip orders ties at random, text to video,
    and takes the lower of the two middle ranks; that is not reproduced. Raises `ScoreError` without queries.
    """
    if ranking.better.size == 0:
        raise ScoreError("metrics: the ranking holds no query; give a split with captions")
    copies = ranking.equal + 1
    firsts = np.repeat(np.cumsum(copies) - copies, copies)
    ranks = np.repeat(ranking.better, copies) + np.arange(copies.sum()) - firsts + 1
    recalls = {k: 100.0 * float((ranks <= k).mean()) for k in CUTOFFS}
    return {
        **{f"R@{k}": value for k, value in recalls.items()},
        "MdR": float(np.median(ranks)),
        "MnR": float(ranks.mean()),
        "MRR": float((1.0 / ranks).mean()),
        "RSum": sum(recalls[k] for k in SUMMED),
        "entries": float(len(ranks)),
    }
