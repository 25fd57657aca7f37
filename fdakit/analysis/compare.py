"""Comparison of runs over the same queries: tests, changes, and the differences of the runs."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import ScoreError
from fdakit.plugin.contracts import DIRECTIONS, Direction
from fdakit.random_keys import keyed_seed
from fdakit.ranking.paired import PAIRED, PairedTest, paired_tests, query_values

from .recipe_diff import Difference, recipe_differences
from .run_groups import RunGroup, match_queries

Values = NDArray[np.float64]
_EVEN = 9  # decimals to which two means over seeds count as equal


@dataclass(frozen=True)
class WinLoss:
    """The number of queries that the other side ranks better than the baseline, worse, and equally."""

    won: int
    lost: int
    equal: int


@dataclass(frozen=True)
class RankChange:
    """A query, its `ranks` on both sides, means over seeds, and its `rows` in the first run of each."""

    query: str
    target: str
    ranks: tuple[float, float]
    rows: tuple[int, int]


@dataclass(frozen=True)
class DirectionResult:
    """One direction of one pair; `won` and `lost` by rank, with changes of the first place listed first."""

    queries: int
    clusters: int
    tests: Mapping[str, PairedTest]
    by_rank: WinLoss
    by_first: WinLoss  # of R@1
    won: tuple[RankChange, ...]
    lost: tuple[RankChange, ...]


@dataclass(frozen=True)
class Pair:
    """The baseline and one other side, and the options in which their recipes differ."""

    first: RunGroup
    second: RunGroup
    labels: tuple[str, str]
    differs: Mapping[str, Difference]
    found: Mapping[Direction, DirectionResult]


@dataclass(frozen=True)
class Comparison:
    """Every side against the first; `measured[side][direction][metric]` has a value for each run, in order."""

    sides: tuple[RunGroup, ...]
    labels: tuple[str, ...]
    measured: tuple[Mapping[Direction, Mapping[str, tuple[float, ...]]], ...]
    pairs: tuple[Pair, ...]
    draws: int
    level: float


def compare(
    sides: Sequence[RunGroup],
    *,
    metrics: Sequence[str] = PAIRED,
    draws: int = 10_000,
    level: float = 0.95,
    show: int = 5,
) -> Comparison:
    """Compare every side with the first in both directions, and list the `show` largest gains and losses.

    A query's value is its mean over the seeds of a side; captions of one video are resampled and swapped together.
    Raises `ScoreError` if there are fewer than two sides, a folder is not a finished run, the runs did not rank the
    same queries, or a metric is not a mean over queries.
    """
    if len(sides) < 2:
        raise ScoreError(f"compare: found {len(sides)} run; name two or more, first the one to compare with")
    read = [_Read(side, sides[0], metrics) for side in sides]
    labels = tuple(_letters(number) for number in range(len(sides)))
    pairs = tuple(
        Pair(
            first=sides[0],
            second=side.side,
            labels=(labels[0], label),
            differs=recipe_differences(sides[0].runs[0], side.side.runs[0]),
            found={way: _found(read[0], side, way, draws=draws, level=level, show=show) for way in DIRECTIONS},
        )
        for side, label in zip(read[1:], labels[1:], strict=True)
    )
    return Comparison(tuple(sides), labels, tuple(side.measured() for side in read), pairs, draws, level)


def _letters(number: int) -> str:
    times, letter = divmod(number, 26)
    return string.ascii_uppercase[letter] + (str(times + 1) if times else "")


class _Read:
    """The values `(runs, n)` of a side for each direction and metric, in the order of the baseline's queries."""

    def __init__(self, side: RunGroup, baseline: RunGroup, metrics: Sequence[str]) -> None:
        self.side = side
        self.metrics = tuple(dict.fromkeys(metrics))
        places = [match_queries(baseline.runs[0], run) for run in side.runs]
        self.rows = places[0]
        self.values: dict[Direction, dict[str, Values]] = {
            way: {
                metric: np.stack(
                    [
                        query_values(run.ranked[way].ranking, metric, ties=run.ties)[where[way]]
                        for run, where in zip(side.runs, places, strict=True)
                    ]
                )
                for metric in (*self.metrics, "R@1", "MnR")
            }
            for way in DIRECTIONS
        }

    def means(self, way: Direction, *metrics: str) -> dict[str, Values]:
        """Return means over seeds, `(n,)`."""
        return {metric: self.values[way][metric].mean(axis=0) for metric in metrics}

    def measured(self) -> dict[Direction, dict[str, tuple[float, ...]]]:
        """Return values over queries, one for each run."""
        return {
            way: {metric: tuple(self.values[way][metric].mean(axis=1).tolist()) for metric in self.metrics}
            for way in DIRECTIONS
        }


def _found(baseline: _Read, other: _Read, way: Direction, *, draws: int, level: float, show: int) -> DirectionResult:
    ranked = baseline.side.runs[0].ranked[way]
    _, clusters = np.unique(ranked.targets, return_inverse=True)
    one, two = (side.means(way, "R@1", "MnR") for side in (baseline, other))
    hits, ranks = (np.round(two[metric] - one[metric], _EVEN) for metric in ("R@1", "MnR"))

    def changes(order: NDArray[np.int64]) -> tuple[RankChange, ...]:
        return tuple(
            RankChange(
                ranked.queries[row],
                ranked.targets[row],
                (float(one["MnR"][row]), float(two["MnR"][row])),
                (int(baseline.rows[way][row]), int(other.rows[way][row])),
            )
            for row in order[:show].tolist()
        )

    best_first = np.lexsort((ranks, -hits))
    worst_first = np.lexsort((-ranks, hits))
    return DirectionResult(
        queries=len(ranked.queries),
        clusters=int(clusters.max()) + 1,
        tests=paired_tests(
            baseline.means(way, *baseline.metrics),
            other.means(way, *other.metrics),
            clusters=clusters,
            draws=draws,
            level=level,
            seed=keyed_seed("compare", way),
        ),
        by_rank=_tally(-ranks),
        by_first=_tally(hits),
        won=changes(best_first[ranks[best_first] < 0]),
        lost=changes(worst_first[ranks[worst_first] > 0]),
    )


def _tally(gains: Values) -> WinLoss:
    return WinLoss(*(int(np.count_nonzero(which)) for which in (gains > 0, gains < 0, gains == 0)))
