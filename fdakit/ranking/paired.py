"""Paired comparison of two rankings of the same queries: the difference, its interval, and a p value.

Everything is a mean over queries, so whole clusters of queries can be resampled and swapped by their sums.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import TieRule
from fdakit.errors import ScoreError, nearest
from fdakit.query_ranks import Ranking
from fdakit.random_keys import keyed_rng

from .metrics import CUTOFFS, SUMMED

PAIRED = (*(f"R@{k}" for k in CUTOFFS), "MnR", "MRR")
BLOCK = 1 << 20  # cluster resamples in memory at once, 8 MiB in float64
_ROUNDING = 1e-10  # of the summed changes: tolerance for the order of summation


@dataclass(frozen=True)
class PairedTest:
    """A metric of both rankings in its own units: `difference` is second - first, `interval` its ends.

    `p` is two-sided: the probability of so large a difference if the two are equivalent. Never 0, and 1 for equal
    ones.
    """

    first: float
    second: float
    difference: float
    interval: tuple[float, float]
    p: float


def query_values(ranking: Ranking, metric: str, *, ties: TieRule = "expected") -> NDArray[np.float64]:
    """Return each query's contribution to a metric that is a mean over queries, `(n,)`, in the units of `metrics()`.

    `metric` is R@K with any K from 1 in percent, MnR, MRR or RSum. Raises `ScoreError` for another one: the median is
    not a mean over queries.
    """
    cutoff = re.fullmatch(r"R@([1-9][0-9]*)", metric)
    if cutoff:
        return 100.0 * ranking.hits(int(cutoff[1]), ties)
    match metric:
        case "MnR":
            return ranking.ranks(ties)
        case "MRR":
            return ranking.reciprocals(ties)
        case "RSum":
            return np.asarray(100.0 * sum(ranking.hits(k, ties) for k in SUMMED), np.float64)
    raise ScoreError(f"metric {metric!r}: no mean over queries that is known; {nearest(metric, [*PAIRED, 'RSum'])}")


def paired_tests(
    first: Mapping[str, NDArray[np.float64]],
    second: Mapping[str, NDArray[np.float64]],
    *,
    clusters: NDArray[np.int64],
    draws: int = 10_000,
    seed: int,
    level: float = 0.95,
) -> dict[str, PairedTest]:
    """Test every metric of `first` against the same of `second`; values `(n,)` by metric, the same queries in order.

    `clusters (n,)` groups dependent queries, by the video of a caption. Interval: the percentile bootstrap of the
    difference at `level`, whole clusters sampled with replacement and both rankings alike (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, chapter 13). p: the paired randomisation test (Smucker, Allan and Carterette,
    CIKM 2007), which swaps the two rankings' labels at random, a cluster at a time: p = (1 + draws with |d*| >= |d|)
    / (1 + draws). All metrics use the same draws. Raises `ScoreError` without queries, `ValueError` for arguments
    that do not fit.
    """
    names = list(first)
    if clusters.size == 0:
        raise ScoreError("paired test: there is no query; give a split with captions")
    shapes = {side[name].shape for side in (first, second) for name in side}
    if names != list(second) or shapes != {clusters.shape} or draws < 1 or not 0.0 < level < 1.0:
        raise ValueError(
            f"{names} of {sorted(shapes)} beside {list(second)}, clusters {clusters.shape}, {draws} draws, level "
            f"{level}; wanted the same metrics with one value a query, 1 draw or more and a level between 0 and 1"
        )
    one, two = (np.stack([side[name] for name in names], axis=1) for side in (first, second))
    _, member = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(member).astype(np.float64)
    changes = [np.bincount(member, weights=change) for change in (two - one).T]
    sums: NDArray[np.float64] = np.stack(changes, axis=1).astype(np.float64, copy=False)
    low, high = np.quantile(_redrawn(sums, sizes, draws, seed), [(1 - level) / 2, (1 + level) / 2], axis=0)
    p = _swapped(sums, draws, seed)
    means, difference = (one.mean(axis=0), two.mean(axis=0)), sums.sum(axis=0) / clusters.size
    return {
        name: PairedTest(
            float(means[0][i]), float(means[1][i]), float(difference[i]), (float(low[i]), float(high[i])), float(p[i])
        )
        for i, name in enumerate(names)
    }


def _redrawn(sums: NDArray[np.float64], sizes: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
    """Return differences `(draws, m)` over resampled clusters; `sums (c, m)` of changes, `sizes (c,)`."""
    count = sizes.size
    rng, drawn = keyed_rng(seed, "bootstrap"), np.empty((draws, sums.shape[1]))
    columns = np.column_stack([sums, sizes])
    for part in _blocks(draws, width=count):
        rows = part.stop - part.start
        picked = rng.integers(count, size=(rows, count)) + count * np.arange(rows)[:, None]
        weights = np.bincount(picked.ravel(), minlength=rows * count).reshape(rows, count)
        totals = weights.astype(np.float64) @ columns
        drawn[part] = totals[:, :-1] / totals[:, -1:]
    return drawn


def _swapped(sums: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
    """Return p of each metric, `(m,)`: the two labels of each cluster are swapped with probability 1/2."""
    count, total = len(sums), sums.sum(axis=0)
    least = np.abs(total) - _ROUNDING * np.abs(sums).sum(axis=0)
    rng, as_large = keyed_rng(seed, "swaps"), np.zeros(sums.shape[1], np.int64)
    for part in _blocks(draws, width=count):
        coins = rng.integers(1 << 64, size=(part.stop - part.start, -(-count // 64)), dtype=np.uint64)
        kept = np.unpackbits(coins.view(np.uint8), axis=1, count=count).astype(np.float64)
        as_large += np.count_nonzero(np.abs(2.0 * (kept @ sums) - total) >= least, axis=0)
    return np.asarray((1.0 + as_large) / (1.0 + draws))


def _blocks(draws: int, *, width: int) -> Iterator[slice]:
    """Yield slices over the draws, each of about `BLOCK` numbers if a draw takes `width` of them."""
    step = max(1, BLOCK // width)
    for start in range(0, draws, step):
        yield slice(start, min(start + step, draws))
