"""Per-query ranks as a CSV table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from fdakit.choices import TieRule
from fdakit.query_ranks import Ranking
from fdakit.system.atomic_files import write_text


def write_ranks(
    path: Path, *, ranking: Ranking, ties: TieRule, queries: Sequence[str], targets: Sequence[str]
) -> None:
    """Write a UTF-8 CSV with the columns query, target, rank, better and equal, one row a query.

    `queries (n,)` and `targets (n,)` are names in the order of the ranking; bytes that are not UTF-8 are preserved.
    Ranks start at 1, by `ties`. The file is written atomically, replacing an older one. Raises `ValueError` if the
    names do not fit the ranking, `FdakitError` if the file cannot be written.
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
