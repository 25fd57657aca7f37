"""`fdakit eval`."""

from __future__ import annotations

from pathlib import Path

import click

from .options import json_option, set_option
from .printing import print_json, print_report


@click.command("eval")
@click.option(
    "--checkpoint",
    required=True,
    type=click.Path(path_type=Path),
    help="Checkpoint folder, run folder or weights file.",
)
@click.option("--recipe", help="Recipe for weights that have none beside them.")
@click.option("--split", help="Split to report, instead of the recipe's.")
@set_option
@click.option("--out", type=click.Path(path_type=Path), help="Folder for report, similarities and ranks.")
@json_option
def command(
    checkpoint: Path,
    recipe: str | None,
    split: str | None,
    settings: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Evaluate a checkpoint: the same report as its run, to the last digit."""
    from fdakit.catalog import load_catalog
    from fdakit.recipe import read_recipe

    catalog = load_catalog()
    from fdakit.experiment.checkpoints import checkpoint_recipe, find_checkpoint
    from fdakit.experiment.run import evaluate_checkpoint, retitled

    if recipe is not None:
        chosen = read_recipe(recipe, catalog=catalog, settings=settings)
    else:
        chosen = checkpoint_recipe(find_checkpoint(checkpoint), catalog=catalog, settings=settings)
    finished = evaluate_checkpoint(retitled(chosen, split=split), checkpoint, out=out)
    if as_json:
        print_json({**finished.report, "folder": finished.folder})
    else:
        print_report(finished.report, finished.folder)
