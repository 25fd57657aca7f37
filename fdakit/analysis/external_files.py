"""The files of `fdakit metrics --out`: the numbers, and every query's rank and right answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fdakit.choices import TieRule
from fdakit.plugin.contracts import Direction
from fdakit.query_ranks import Ranking
from fdakit.ranking.exports import write_ranks
from fdakit.system.atomic_files import write_text

from .external_scores import ExternalScores, GradedScores, TrecRun


def write_scored(
    folder: Path,
    found: Mapping[str, Any],
    rankings: Mapping[Direction, Ranking],
    given: ExternalScores,
    *,
    ties: TieRule,
) -> None:
    """Write metrics.json and ranks_t2v.csv, ranks_v2t.csv. Raises `FdakitError` if they cannot be written.

    Captions are identified by their row, videos by their column, queries and documents of a TREC run by their ids.
    Several right answers are separated by spaces in `target`.
    """
    text = json.dumps(found, indent=2, allow_nan=False) + "\n"
    write_text(folder / "metrics.json", text, advice="name another folder with --out, or make room")
    for way, ranking in rankings.items():
        queries, targets = _names(given, way)
        write_ranks(folder / f"ranks_{way}.csv", ranking=ranking, ties=ties, queries=queries, targets=targets)


def _names(given: ExternalScores, way: Direction) -> tuple[list[str], list[str]]:
    """Return the queries in the order of the ranking, and the right answers of each."""
    if isinstance(given, TrecRun):
        right = {
            query: [name for name, worth in judged.items() if worth > 0] for query, judged in given.qrels.items()
        }
        return list(right), [" ".join(names) for names in right.values()]
    if isinstance(given, GradedScores):
        gains = given.gains if way == "t2v" else given.gains.T
        rows = [row for row in range(len(gains)) if (gains[row] > 0).any()]
        return [str(row) for row in rows], [" ".join(map(str, np.flatnonzero(gains[row] > 0))) for row in rows]
    if way == "t2v":
        return [str(row) for row in range(len(given.owners))], [str(owner) for owner in given.owners]
    described = [str(video) for video in np.unique(given.owners)]
    return described, described
