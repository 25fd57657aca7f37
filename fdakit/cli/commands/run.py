"""`fdakit run`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from fdakit.choices import ChangeKind
from fdakit.cli.failures import STOPPED
from fdakit.cli.options import json_option, set_option
from fdakit.cli.printing import print_json, print_report, say
from fdakit.errors import RecipeError, nearest
from fdakit.system.ranks import asked_rank, asked_ranks

if TYPE_CHECKING:
    from fdakit.recipe.recipe import Recipe

_CHANGES: tuple[str, ...] = get_args(ChangeKind)


@click.command("run")
@click.argument("recipe", required=False)
@set_option
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/<name>/<time>]")
@click.option("--seed", type=int, help="Seed, in place of the recipe's.")
@click.option("--resume", type=click.Path(path_type=Path), help="Resume the interrupted run in this folder.")
@click.option(
    "--allow-changed",
    metavar="KIND,...",
    help=f"With --resume: accept that this changed since the start: {', '.join(_CHANGES)}.",
)
@click.option(
    "--dry-run", is_flag=True, help="Build everything, take two steps, and print the time and memory to expect."
)
@json_option
def command(
    recipe: str | None,
    settings: tuple[str, ...],
    out: Path | None,
    seed: int | None,
    resume: Path | None,
    allow_changed: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Train and evaluate RECIPE and write its run folder.

    RECIPE is a file, or a shipped recipe by name.
    """
    from fdakit.catalog import load_catalog
    from fdakit.recipe.idle_options import idle_options
    from fdakit.recipe.validation import read_recipe

    if (recipe is None) == (resume is None):
        raise click.UsageError("name one recipe, or a stopped run with --resume")
    if resume is not None and (out or seed is not None):
        raise click.UsageError("--resume goes on in the run's own folder with its seed; it takes no --out or --seed")
    if resume is None and allow_changed is not None:
        raise click.UsageError("--allow-changed says what may have changed of a stopped run; add --resume")
    if dry_run and (out or resume):
        raise click.UsageError("--dry-run writes no run folder; it takes no --out or --resume")
    if dry_run and asked_ranks() > 1:
        raise click.UsageError("--dry-run works in one process; start it without torchrun")
    allowed = _kinds(allow_changed or "")
    if resume is not None:
        from fdakit.inference.path_advice import missing_run

        if fault := missing_run(resume):
            raise RecipeError(fault)
    source = recipe if recipe is not None else str(resume)
    chosen = read_recipe(source, catalog=load_catalog(), settings=settings, seed=seed)
    for line in () if asked_rank() else idle_options(chosen):
        warnings.warn(line, stacklevel=1)

    if dry_run:
        _try(chosen, as_json=as_json)
        return
    from fdakit.experiment.run import run_recipe
    from fdakit.experiment.training_run import Interrupted

    try:
        finished = run_recipe(chosen, out=out, resume=resume, allowed=allowed)
    except Interrupted as stopped:
        told = f"{stopped}; go on with: fdakit run --resume {stopped.folder}"
        if not asked_rank():
            say(told, err=True)
        if as_json:
            print_json({"error": {"message": told, "kind": STOPPED}})
        click.get_current_context().exit(stopped.code)
    if as_json:
        print_json({**finished.report.to_json(), "folder": finished.folder})
    else:
        print_report(finished.report, finished.folder)


def _try(recipe: Recipe, *, as_json: bool) -> None:
    from fdakit.cli.dry_run_lines import dry_run_lines
    from fdakit.experiment.dry_run import dry_run
    from fdakit.system.terminal import ProgressBar

    with ProgressBar() as bar:
        found = dry_run(recipe, progress=bar.progressed)
    if as_json:
        print_json(found.to_json())
    else:
        say("\n".join(dry_run_lines(found)))


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(word.strip() for word in text.split(",") if word.strip())
    for kind in kinds:
        if kind not in _CHANGES:
            raise click.UsageError(f"--allow-changed {kind!r}: no such kind; {nearest(kind, _CHANGES)}")
    return kinds
