"""A metric: the area under the curve of recall over all cutoffs, 1 where every right answer comes first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fdakit.plugin import BuildContext, Component, Metric, Options, Ranking, TieRule, hookimpl


class RankAreaOptions(Options):
    """No options."""


class RankArea:
    """Mean share of the pool that ranks behind the right answer, itself included."""

    def __call__(self, ranking: Ranking, ties: TieRule) -> Mapping[str, float]:
        """Return `area`, in (0, 1]."""
        ranks = ranking.ranks(ties)
        return {"area": float(((ranking.pool + 1 - ranks) / ranking.pool).mean())}


def build(options: RankAreaOptions, shapes: BuildContext) -> Metric:
    """Return the metric."""
    return RankArea()


RANK_AREA = Component("rank-area", "area under the recall curve", RankAreaOptions, build)


@hookimpl
def fdakit_metrics() -> Iterable[Component[Any, Metric]]:
    return (RANK_AREA,)
