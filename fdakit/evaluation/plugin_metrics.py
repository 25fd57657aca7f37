"""Further metrics of a report, by the parts that `[[metric]]` names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from fdakit.catalog import Part
from fdakit.choices import TieRule
from fdakit.errors import PartError, attribute_errors
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Metric
from fdakit.query_ranks import Ranking
from fdakit.ranking.metrics import is_own_name
from fdakit.report.evaluation_report import BothMetrics

from .scoring import Rankings


def plugin_metrics(
    parts: Sequence[Part[Metric]], rankings: Rankings, ties: TieRule, *, seed: int
) -> dict[str, BothMetrics]:
    """Return the numbers of each metric in both directions, by its name; one that is listed twice is numbered.

    Raises `PartError` naming a metric that fails or gives anything but finite numbers by name.
    """
    found: dict[str, BothMetrics] = {}
    for place, part in enumerate(parts):
        metric = part.build(BuildContext(seed=seed))
        before = sum(other.name == part.name for other in parts[:place])
        label = str(part.offer)
        measured = {}
        for direction, ranking in rankings.items():
            with attribute_errors(label, "while measuring"):
                measured[direction] = _numbers(metric(_untouchable(ranking), ties), label)
        found[f"{part.name} {before + 1}" if before else part.name] = BothMetrics(**measured)
    return found


def _numbers(given: Any, label: str) -> dict[str, float]:
    odd = not isinstance(given, Mapping) or not given
    if odd or not all(isinstance(name, str) and isfinite(value) for name, value in given.items()):
        raise PartError(f"{label} failed while measuring: returned {given!r}; wanted finite numbers by name")
    if own := [name for name in given if is_own_name(name)]:
        raise PartError(
            f"{label} failed while measuring: named a number {own[0]!r}, as fdakit's own metric; give it another name"
        )
    return {name: float(value) for name, value in given.items()}


def _untouchable(ranking: Ranking) -> Ranking:
    """Return the ranking as a metric is given it: writing into it is its error."""
    better, equal = ranking.better.view(), ranking.equal.view()
    better.flags.writeable = equal.flags.writeable = False
    return Ranking(better, equal, ranking.pool)
