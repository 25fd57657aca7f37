"""`fdakit sweep`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fdakit.cli.options import json_option, set_option
from fdakit.cli.printing import print_json, print_table, say

if TYPE_CHECKING:
    from fdakit.catalog import Catalog
    from fdakit.recipe.recipe import Recipe


@click.command("sweep")
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@click.option("--seeds", default="24,42,7", show_default=True, help="Seeds, separated by commas.")
@set_option
@click.option(
    "--vary", metavar="KEY=V1,V2,...", help="Run each recipe with each value of one option, and plot the curves."
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/sweep"), show_default=True, help="Folder.")
@json_option
def command(
    recipes: tuple[str, ...], seeds: str, settings: tuple[str, ...], vary: str | None, out: Path, as_json: bool
) -> None:
    """Run several recipes with several seeds; print mean and standard deviation. Finished runs are not repeated."""
    from fdakit.catalog import load_catalog
    from fdakit.experiment.option_grid import expand_grid as varying
    from fdakit.recipe.validation import MAX_SEED, MIN_SEED

    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError as error:
        raise click.UsageError(f"--seeds {seeds!r}: wanted whole numbers separated by commas, as 24,42,7") from error
    if not all(MIN_SEED <= number <= MAX_SEED for number in numbers):
        raise click.UsageError(f"--seeds {seeds!r}: wanted whole numbers of 64 bits, from {MIN_SEED} to {MAX_SEED}")
    catalog = load_catalog()
    readers = [partial(_read, recipe, settings, catalog) for recipe in recipes]
    chosen, varied = varying(vary, readers) if vary else ([read([]) for read in readers], None)

    from fdakit.experiment.sweep import DRAWING, sweep
    from fdakit.experiment.training_run import Interrupted
    from fdakit.report.report_tables import DIRECTIONS
    from fdakit.report.sweep_tables import METRICS, sweep_rows

    try:
        summary = sweep(chosen, numbers, out=out, tell=lambda text: say(text, err=True), varied=varied)
    except Interrupted as stopped:
        say(f"{stopped}; the same command goes on from here", err=True)
        click.get_current_context().exit(stopped.code)
    if as_json:
        print_json(summary.to_json())
        return
    for way, title in DIRECTIONS.items():
        print_table(f"{title}, seeds {seeds}", ["recipe", *METRICS], sweep_rows(summary, way), numbers=True)
    drawn = f", {out}/{DRAWING}" if varied is not None and varied.numeric and (out / DRAWING).is_file() else ""
    say(f"written: {out}/sweep.md{drawn}")


def _read(source: str, settings: tuple[str, ...], catalog: Catalog, more: list[str]) -> Recipe:
    from fdakit.recipe.validation import read_recipe

    return read_recipe(source, catalog=catalog, settings=[*settings, *more])
