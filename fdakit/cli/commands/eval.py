"""`fdakit eval`."""

from __future__ import annotations

import warnings
from pathlib import Path

import click

from fdakit.cli.options import json_option, set_option
from fdakit.cli.printing import print_json, print_report


@click.command("eval")
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--checkpoint", type=click.Path(path_type=Path), help="The same as RUN.")
@click.option("--recipe", help="Recipe for weights without one in their folder.")
@click.option("--split", help="Split to report, instead of the recipe's.")
@set_option
@click.option(
    "--index", type=click.Path(path_type=Path), help="Take the videos' vectors from an index made with --whole."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for report, similarities and ranks.")
@json_option
def command(
    run: Path | None,
    checkpoint: Path | None,
    recipe: str | None,
    split: str | None,
    settings: tuple[str, ...],
    index: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Evaluate RUN again: reproduces its report to the last digit.

    RUN is a run folder, a checkpoint folder or, with --recipe, a weights file.
    """
    if (run is None) == (checkpoint is None):
        raise click.UsageError("name one run or checkpoint: fdakit eval RUN")
    place = run or checkpoint
    assert place is not None

    from fdakit.catalog import load_catalog
    from fdakit.recipe.validation import read_recipe

    catalog = load_catalog()
    from fdakit.experiment.checkpoint_evaluation import evaluate_checkpoint, retitled
    from fdakit.inference.checkpoint import Checkpoint
    from fdakit.inference.path_advice import unfinished

    if told := unfinished(place):
        warnings.warn(told, stacklevel=1)
    opened: Checkpoint | Path = place
    if recipe is not None:
        chosen = read_recipe(recipe, catalog=catalog, settings=settings)
    else:
        opened = Checkpoint.open(place)
        chosen = opened.recipe(catalog=catalog, settings=settings)
    finished = evaluate_checkpoint(retitled(chosen, split=split), opened, out=out, index=index)
    if as_json:
        print_json({**finished.report.to_json(), "folder": finished.folder})
    else:
        print_report(finished.report, finished.folder)
