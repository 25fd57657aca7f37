"""`fdakit ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fdakit.cli.options import json_option, run_jobs_option, seeds_option, set_option
from fdakit.cli.printing import print_json, print_table, say
from fdakit.cli.seed_option import seed_numbers
from fdakit.cli.sweep_endings import failure_code, stopped_code, tell_no_table

if TYPE_CHECKING:
    from fdakit.report.ablation import Ablation


@click.command("ablate")
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@click.option(
    "--data",
    multiple=True,
    metavar="NAME",
    help="Run each recipe on this data set: 'NAME key=value ...' or 'table.key=value ...'. May be repeated.",
)
@seeds_option
@set_option
@run_jobs_option
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/ablate"), show_default=True, help="Folder."
)
@click.option("--latex", is_flag=True, help="Print the table as LaTeX.")
@json_option
def command(
    recipes: tuple[str, ...],
    data: tuple[str, ...],
    seeds: str,
    settings: tuple[str, ...],
    jobs: int,
    out: Path,
    latex: bool,
    as_json: bool,
) -> int:
    """Run systems on data sets: a table of results and costs.

    Finished runs are not repeated. A run that fails is told and the others go on; the command then ends with an
    error. Ctrl-C saves every run, and the same command goes on from there.
    """
    if latex and as_json:
        raise click.UsageError("--latex and --json: both print the table; give one of the two")
    from fdakit.ablation.systems import read_systems
    from fdakit.catalog import load_catalog

    numbers = seed_numbers(seeds)
    systems = read_systems(recipes, data, settings=settings, catalog=load_catalog())

    from fdakit.ablation.ablate import ablate

    try:
        table = ablate(systems, numbers, out=out, tell=lambda text: say(text, err=True), jobs=jobs)
    except KeyboardInterrupt as stopped:
        return stopped_code(stopped)
    if as_json:
        print_json(table.to_json())
    else:
        _print(table, out, latex=latex)
    return failure_code(table.failed, total=len(numbers) * len(systems))


def _print(table: Ablation, out: Path, *, latex: bool) -> None:
    from fdakit.ablation.ablate import LATEX, MARKDOWN, PLOT
    from fdakit.report.ablation_tables import NOTE, ablation_latex, main_columns, main_rows

    if not table.cells:
        tell_no_table()
        return
    if latex:
        say(ablation_latex(table), nl=False)
        return
    print_table(f"seeds {','.join(map(str, table.seeds))}", main_columns(table), main_rows(table), numbers=True)
    say(NOTE)
    written = [name for name in (MARKDOWN, LATEX, PLOT) if (out / name).is_file()]
    say(f"written: {', '.join(f'{out}/{name}' for name in written)}")
