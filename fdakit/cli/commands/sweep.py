"""`fdakit sweep`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fdakit.cli.options import json_option, run_jobs_option, seeds_option, set_option
from fdakit.cli.printing import print_json, print_table, say
from fdakit.cli.seed_option import seed_numbers
from fdakit.cli.sweep_endings import failure_code, stopped_code, tell_no_table

if TYPE_CHECKING:
    from fdakit.catalog import Catalog
    from fdakit.recipe.recipe import Recipe
    from fdakit.report.sweep_tables import SweepSummary


@click.command("sweep")
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@seeds_option
@set_option
@click.option(
    "--vary", metavar="KEY=V1,V2,...", help="Run each recipe with each value of one option, and plot the curves."
)
@run_jobs_option
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/sweep"), show_default=True, help="Folder.")
@json_option
def command(
    recipes: tuple[str, ...],
    seeds: str,
    settings: tuple[str, ...],
    vary: str | None,
    jobs: int,
    out: Path,
    as_json: bool,
) -> int:
    """Run recipes with several seeds: mean and standard deviation. Finished runs are not repeated.

    A run that fails is told and the others go on; the command then ends with an error. Ctrl-C saves every run, and
    the same command goes on from there.
    """
    from fdakit.catalog import load_catalog
    from fdakit.experiment.option_grid import expand_grid as varying
    from fdakit.recipe.validation import read_all

    numbers = seed_numbers(seeds)
    catalog = load_catalog()
    readers = [partial(_read, recipe, settings, catalog) for recipe in recipes]
    chosen, varied = varying(vary, readers) if vary else (read_all(partial(read, []) for read in readers), None)

    from fdakit.experiment.sweep import sweep

    try:
        summary = sweep(chosen, numbers, out=out, tell=lambda text: say(text, err=True), varied=varied, jobs=jobs)
    except KeyboardInterrupt as stopped:
        return stopped_code(stopped)
    if as_json:
        print_json(summary.to_json())
    else:
        _print(summary, out, drawn=varied is not None and varied.numeric)
    return _exit_code(summary)


def _print(summary: SweepSummary, out: Path, *, drawn: bool) -> None:
    from fdakit.experiment.sweep import DRAWING
    from fdakit.report.report_tables import DIRECTIONS
    from fdakit.report.sweep_tables import METRICS, sweep_rows, sweep_title

    if not summary.rows:
        tell_no_table()
        return
    seeds = ",".join(map(str, summary.seeds))
    for way in DIRECTIONS:
        print_table(
            f"{sweep_title(summary, way)}, seeds {seeds}",
            ["recipe", *METRICS],
            sweep_rows(summary, way),
            numbers=True,
        )
    for one in summary.unlearnt:
        say(f"{one.recipe}, seed {one.seed}: has learnt nothing; sweep.md and its report say how that was found")
    say(f"written: {out}/sweep.md" + (f", {out}/{DRAWING}" if drawn and (out / DRAWING).is_file() else ""))


def _exit_code(summary: SweepSummary) -> int:
    recipes = {*(row.recipe for row in summary.rows), *(one.recipe for one in summary.failed)}
    return failure_code(summary.failed, total=len(summary.seeds) * len(recipes))


def _read(source: str, settings: tuple[str, ...], catalog: Catalog, more: list[str]) -> Recipe:
    from fdakit.recipe.validation import read_recipe

    return read_recipe(source, catalog=catalog, settings=[*settings, *more])
