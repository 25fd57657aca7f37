"""Confidence intervals of metrics: the percentile bootstrap over clusters of queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import TieRule
from fdakit.errors import ScoreError
from fdakit.query_ranks import Ranking
from fdakit.random_keys import keyed_rng

from .metrics import CUTOFFS, SUMMED


def bootstrap_ci(
    ranking: Ranking,
    *,
    clusters: NDArray[np.int64],
    ties: TieRule = "expected",
    draws: int = 1000,
    seed: int,
    level: float = 0.95,
    cutoffs: tuple[int, ...] = CUTOFFS,
) -> dict[str, tuple[float, float]]:
    """Return lower and upper end of the interval of every metric in `metrics()`, in the same units, at `level`.

    `clusters (n,)` names the cluster of each query; a resample takes as many clusters as there are, with replacement,
    and all queries of each, so captions of one video stay together. Two rankings with the same number of clusters and
    the same seed use the same resamples. Method: Efron and Tibshirani, An Introduction to the Bootstrap (1993),
    chapter 13, with clusters as the units. Raises `ScoreError` for a ranking without queries, `ValueError` for
    arguments that do not fit.
    """
    queries = ranking.better.size
    if queries == 0:
        raise ScoreError("bootstrap: the ranking holds no query; give a split with captions")
    if clusters.shape != (queries,) or draws < 1 or not 0.0 < level < 1.0:
        raise ValueError(
            f"clusters {clusters.shape}, {draws} draws, level {level}; "
            f"wanted ({queries},), 1 draw or more and a level between 0 and 1"
        )
    names = [*(f"R@{k}" for k in cutoffs), "MdR", "MnR", "MRR", "RSum"]
    drawn = _draw(ranking, clusters=clusters, ties=ties, draws=draws, seed=seed, cutoffs=cutoffs)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)}


def bootstrap_means(
    values: Mapping[str, NDArray[np.float64]],
    *,
    clusters: NDArray[np.int64],
    draws: int = 1000,
    seed: int,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Return lower and upper end of the interval of the mean of each of `values (n,)`, drawn as by `bootstrap_ci`."""
    _, member = np.unique(clusters, return_inverse=True)
    count = int(member.max()) + 1
    columns = [*values.values(), np.ones(len(member))]
    sums = np.stack([np.bincount(member, weights=column, minlength=count) for column in columns], axis=1)
    totals = np.stack([weights @ sums for weights in _resamples(count, draws=draws, seed=seed)])
    low, high = np.quantile(totals[:, :-1] / totals[:, -1:], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(values)}


def _resamples(count: int, *, draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield how often each of `count` clusters is in each resample."""
    rng = keyed_rng(seed, "bootstrap")
    for _ in range(draws):
        yield np.bincount(rng.integers(count, size=count), minlength=count)


def _draw(
    ranking: Ranking,
    *,
    clusters: NDArray[np.int64],
    ties: TieRule,
    draws: int,
    seed: int,
    cutoffs: tuple[int, ...],
) -> NDArray[np.float64]:
    """Return metrics `(draws, cutoffs + 4)` of each resample, in the order of `metrics()`.

    A resample is a weight for each cluster; sums over queries become sums over clusters, and the queries are sorted
    once for the medians, so memory stays that of one resample.
    """
    ranks = ranking.ranks(ties)
    _, member = np.unique(clusters, return_inverse=True)
    count = int(member.max()) + 1
    summed = 100.0 * sum(ranking.hits(k, ties) for k in SUMMED)
    means = [*(100.0 * ranking.hits(k, ties) for k in cutoffs), ranks, ranking.reciprocals(ties), summed]
    columns = [*means, np.ones_like(ranks)]
    sums = np.stack([np.bincount(member, weights=column, minlength=count) for column in columns], axis=1)
    order = np.argsort(ranks, kind="stable")
    sorted_ranks, sorted_member = ranks[order], member[order]
    drawn = np.empty((draws, len(means) + 1))
    place = len(cutoffs)  # column of the median, which is not a mean
    for row, weights in zip(drawn, _resamples(count, draws=draws, seed=seed), strict=True):
        totals = weights @ sums  # a sum for each mean, and the number of sampled queries
        row[:place] = totals[:place] / totals[-1]
        row[place] = _median(sorted_ranks, weights=weights[sorted_member])
        row[place + 1 :] = totals[place:-1] / totals[-1]
    return drawn


def _median(values: NDArray[np.float64], *, weights: NDArray[np.int64]) -> float:
    """Return the median of ascending `values (n,)` with `weights (n,)` repetitions; the mean of the middle two."""
    upto = np.cumsum(weights)
    middle = [(upto[-1] - 1) // 2, upto[-1] // 2]
    return float(values[np.searchsorted(upto, middle, side="right")].mean())
