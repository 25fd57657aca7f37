"""Ranks of single queries as a table that others can read and score again."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from fdakit.choices import TieRule
from fdakit.system.atomic_files import write_text

from .ranks import Ranking


def write_ranks(
    path: Path, *, ranking: Ranking, ties: TieRule, queries: Sequence[str], targets: Sequence[str]
) -> None:
    """Write a UTF-8 CSV with the columns query, target, rank, better and equal, one row a query.

    `queries (n,)` and `targets (n,)` are names in the order of the ranking and keep bytes that are not UTF-8; ranks
    are from 1, by `ties`. The file appears atomically: it is written beside its place and moved there, over
    an older one.
    Raises `ValueError` if the names do not fit the ranking, `FdakitError` where the file cannot be written.
    """
    count = ranking.better.size
    if len(queries) != count or len(targets) != count:
        raise ValueError(
            f"{len(queries)} queries and {len(targets)} targets beside a ranking of {count}; wanted one each"
        )
    ranks = ranking.ranks(ties).tolist()
    rows = zip(queries, targets, ranks, ranking.better.tolist(), ranking.equal.tolist(), strict=True)
    lines = io.StringIO(newline="")
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(("query", "target", "rank", "better", "equal"))
    table.writerows(rows)
    write_text(Path(path), lines.getvalue())
