"""What `fdakit metrics --moments` prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .printing import print_table, say

_TITLES = {"all": "all", "short": "up to 10 s", "middle": "10 to 30 s", "long": "over 30 s"}


def print_moments(found: Mapping[str, Any]) -> None:
    """Print a row for each metric, a column for each length of the true windows, and the remarks."""
    intervals = found["ci95"].get("all")
    columns, rows = ["metric", "all", *(["95% interval"] if intervals else [])], []
    lengths = [name for name in found["moments"] if name != "all"]
    for name, value in found["moments"]["all"].items():
        between = [" to ".join(f"{end:.2f}" for end in intervals[name])] if intervals else []
        of_length = [f"{found['moments'][length][name]:.2f}" for length in lengths]
        rows.append([name, f"{value:.2f}", *between, *of_length])
    print_table(
        f"moments: {Path(found['source']).name}",
        [*columns, *(_TITLES[name] for name in lengths)],
        rows,
        numbers=True,
    )
    counts = ", ".join(f"{_TITLES[name]}: {count:,}" for name, count in found["queries"].items())
    say(f"queries with true moments: {counts}\n")
    for remark in found["remarks"]:
        say(remark)
