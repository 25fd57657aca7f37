"""`fdakit compare`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fdakit.cli.options import json_option, pictures_option
from fdakit.cli.printing import print_json, print_table, say
from fdakit.cli.target_folder import target_folder

if TYPE_CHECKING:
    from fdakit.analysis.compare import Comparison
    from fdakit.plugin.contracts import Progress


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, metavar="RUN_A RUN_B...")
@click.option(
    "--metric", "metrics", multiple=True, help="R@K, MnR, MRR or RSum; may be repeated.  [default: all but RSum]"
)
@click.option(
    "--draws",
    type=click.IntRange(min=100),
    default=10_000,
    show_default=True,
    help="Bootstrap draws, for interval and p.",
)
@click.option(
    "--level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Confidence level of the interval.",
)
@click.option(
    "--show",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="Number of captions won and lost to show.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for compare.json, compare.md, compare.html.",
)
@pictures_option
@json_option
def command(
    runs: tuple[str, ...],
    metrics: tuple[str, ...],
    draws: int,
    level: float,
    show: int,
    out: Path | None,
    frames: int | None,
    masks: bool,
    as_json: bool,
) -> None:
    """Compare runs with RUN_A over the same queries.

    Difference, interval, p, and queries won and lost.
    A run is a run folder, a folder of seed-*/ as `fdakit sweep` writes it, or several of them separated by commas,
    each another seed of one recipe. With --out also a page with frames of what each run found.
    """
    if len(runs) < 2:
        raise click.UsageError(f"found only {runs[0]!r}; name two runs or more, first the one to compare with")
    if out is None and (frames is not None or masks):
        raise click.UsageError("--frames and --masks choose the pictures of the page; add --out FOLDER")
    from fdakit.analysis.compare import compare
    from fdakit.analysis.compare_files import comparison_document
    from fdakit.analysis.run_groups import read_run_group
    from fdakit.ranking.paired import PAIRED
    from fdakit.system.terminal import ProgressBar

    sides = [read_run_group(run) for run in runs]
    bar = ProgressBar()
    try:
        with target_folder(out):
            comparison = compare(sides, metrics=metrics or PAIRED, draws=draws, level=level, show=show)
            document = comparison_document(comparison)
            written = _written(comparison, document, out, bar.progressed, frames or 1, masks) if out else []
    finally:
        bar.close()
    if as_json:
        print_json(document)
        return
    _print(document)
    for path in written:
        say(f"written: {path}")


def _written(
    comparison: Comparison, document: Mapping[str, Any], out: Path, progress: Progress, frames: int, masks: bool
) -> list[Path]:
    from fdakit.analysis.clip_images import clip_pictures
    from fdakit.analysis.compare_files import write_comparison
    from fdakit.catalog import load_catalog

    draws = None
    if masks or frames > 1:
        catalog = load_catalog()
        sides = zip(comparison.labels, comparison.sides, strict=True)
        draws = {
            label: clip_pictures(side.runs[0], frames=frames, masks=masks, catalog=catalog) for label, side in sides
        }
    return write_comparison(comparison, document, out, progress=progress, draws=draws)


def _print(document: Mapping[str, Any]) -> None:
    from fdakit.report.comparison_tables import change_tables, comparison_lines, comparison_notes, comparison_tables

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
