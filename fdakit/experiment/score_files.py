"""What `fdakit metrics --out` keeps: the numbers, and the rank of every query by its row or column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fdakit.contracts import Direction
from fdakit.errors import ScoreError
from fdakit.ranking.exports import write_ranks
from fdakit.ranking.ranks import Ranking, TieRule

from .run_folder import RunFolder


def write_scored(
    folder: Path, found: Mapping[str, Any], rankings: Mapping[Direction, Ranking], *, ties: TieRule
) -> None:
    """Write metrics.json and ranks_t2v.csv, ranks_v2t.csv, queries numbered. Raises `ScoreError` where it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        RunFolder(folder).write("metrics.json", json.dumps(found, indent=2, allow_nan=False) + "\n")
        for way, ranking in rankings.items():
            names = [str(place) for place in range(len(ranking.better))]
            write_ranks(folder / f"ranks_{way}.csv", ranking=ranking, ties=ties, queries=names, targets=names)
    except OSError as error:
        raise ScoreError(
            f"{folder.absolute()}: cannot be written ({error.strerror}); name another folder with --out"
        ) from error
