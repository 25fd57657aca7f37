"""`fdakit compare`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from .options import json_option
from .printing import print_json, print_table, say


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, metavar="RUN_A RUN_B...")
@click.option(
    "--metric", "metrics", multiple=True, help="R@K, MnR, MRR or RSum; may be repeated.  [default: all but RSum]"
)
@click.option("--draws", type=click.IntRange(min=100), default=10_000, show_default=True, help="For interval and p.")
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Of the interval.",
)
@click.option(
    "--show", type=click.IntRange(min=0), default=5, show_default=True, help="So many captions won and lost."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for compare.json, compare.md, compare.html.",
)
@json_option
def command(
    runs: tuple[str, ...],
    metrics: tuple[str, ...],
    draws: int,
    level: float,
    show: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Compare runs with RUN_A over the same queries: difference, interval, p, and what is won and lost.

    A run is a run folder, a folder of seed-*/ as `fdakit sweep` writes it, or several of them separated by commas,
    each another seed of one recipe. With --out also a page with pictures of what each run found.
    """
    if len(runs) < 2:
        raise click.UsageError(f"found only {runs[0]!r}; name two runs or more, first the one to compare with")
    from fdakit.builtin.observers.console import Console
    from fdakit.experiment.census_files import target_folder
    from fdakit.experiment.compared_runs import read_side
    from fdakit.experiment.comparing import compare
    from fdakit.experiment.comparison_files import comparison_document, write_comparison
    from fdakit.ranking.paired import PAIRED

    sides = [read_side(run) for run in runs]
    console = Console(every=10.0)
    try:
        with target_folder(out):
            comparison = compare(sides, metrics=metrics or PAIRED, draws=draws, level=level, show=show)
            document = comparison_document(comparison)
            written = write_comparison(comparison, document, out, progress=console.progressed) if out else []
    finally:
        console.run_finished({})  # puts the bar away
    if as_json:
        print_json(document)
        return
    _print(document)
    for path in written:
        say(f"written: {path}")


def _print(document: Mapping[str, Any]) -> None:
    from fdakit.report.comparisons import change_tables, comparison_lines, comparison_notes, comparison_tables

    for line in comparison_lines(document):
        say(line)
    for table in comparison_tables(document):
        print_table(table.title, table.columns, table.rows, numbers=True)
        if table.note:
            say(table.note)
    for table in (table for pair in document["pairs"] for table in change_tables(pair)):
        print_table(table.title, table.columns, table.rows)
    for note in comparison_notes(document):
        say(note)
