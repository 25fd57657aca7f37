"""`fdakit run`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import json_option, set_option
from .printing import print_json, print_report, say


@click.command("run")
@click.argument("recipe", required=False)
@set_option
@click.option("--out", type=click.Path(path_type=Path), help="Run folder; default runs/<name>/<time>.")
@click.option("--seed", type=int, help="Seed, instead of the recipe's.")
@click.option("--resume", type=click.Path(path_type=Path), help="Take up a stopped run in its folder.")
@json_option
def command(
    recipe: str | None,
    settings: tuple[str, ...],
    out: Path | None,
    seed: int | None,
    resume: Path | None,
    as_json: bool,
) -> None:
    """Train and evaluate RECIPE (a file, or a shipped recipe by name) and write its run folder."""
    from fdakit.catalog import load_catalog
    from fdakit.recipe import read_recipe

    if (recipe is None) == (resume is None):
        raise click.UsageError("name one recipe, or a stopped run with --resume")
    if resume is not None and (settings or out or seed is not None):
        raise click.UsageError("--resume goes on with the run's own recipe; it takes no --set, --out or --seed")
    source = recipe if recipe is not None else str(resume)
    chosen = read_recipe(source, catalog=load_catalog(), settings=settings, seed=seed)

    from fdakit.experiment.run import Interrupted, run_recipe

    try:
        finished = run_recipe(chosen, out=out, resume=resume)
    except Interrupted as stopped:
        say(f"{stopped}; go on with: fdakit run --resume {stopped.folder}", err=True)
        click.get_current_context().exit(stopped.code)
    if as_json:
        print_json({**finished.report, "folder": finished.folder})
    else:
        print_report(finished.report, finished.folder)
