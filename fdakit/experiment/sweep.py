"""Several recipes over several seeds: one table of mean and deviation. Finished runs are never repeated."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fdakit.analysis.recipe_diff import same_recipe
from fdakit.analysis.saved_run import SavedRun
from fdakit.errors import RecipeError
from fdakit.inference.checkpoint_files import STATE, current_checkpoint
from fdakit.inference.run_files import CHECKPOINTS, ENVIRONMENT, LOG, RECIPE, REPORT
from fdakit.recipe.default_options import default_options
from fdakit.recipe.document import read_document
from fdakit.recipe.recipe import Recipe
from fdakit.report.curves import curves_svg
from fdakit.report.evaluation_report import Report
from fdakit.report.svg_figures import drawing_fault
from fdakit.report.sweep_tables import SweepSummary, sweep_markdown, sweep_summary
from fdakit.system.atomic_files import remove

from .option_grid import OptionGrid, epoch_seconds, grid_panels
from .run import run_recipe
from .run_folder import LOCK, RunFolder, recipe_text

DRAWING = "sweep.svg"
Tell = Callable[[str], None]


def sweep(
    recipes: Sequence[Recipe], seeds: Sequence[int], *, out: Path, tell: Tell, varied: OptionGrid | None = None
) -> SweepSummary:
    """Run every recipe with every seed into `out/<name>/seed-<n>/`; return the summary, also written there.

    A finished run is read, an interrupted one resumed, the others are made. If `varied` names an option with numeric
    values and matplotlib is installed, its curves are drawn into sweep.svg. Raises `RecipeError` if two recipes
    share a name or a folder holds a run of another recipe.
    """
    names = [recipe.name for recipe in recipes]
    if len(set(names)) < len(names):
        raise RecipeError(
            f"sweep: recipes share a name: {', '.join(sorted(names))}; give each `name` a value of its own"
        )
    reports: dict[str, list[Report]] = {name: [] for name in names}
    seconds: dict[str, list[float | None]] = {name: [] for name in names}
    for recipe in recipes:
        for seed in seeds:
            folder = out / recipe.name / f"seed-{seed}"
            tell(f"{recipe.name}, seed {seed}: {folder}")
            reports[recipe.name].append(_report(replace(recipe, seed=seed), folder))
            seconds[recipe.name].append(epoch_seconds(folder))
    summary = sweep_summary(reports, seeds, seconds)
    RunFolder(out).write("sweep.json", json.dumps(summary.to_json(), indent=2) + "\n")
    RunFolder(out).write("sweep.md", sweep_markdown(summary))
    if varied is not None and varied.numeric:
        _draw(summary, varied, out, tell)
    return summary


def _draw(summary: SweepSummary, varied: OptionGrid, out: Path, tell: Tell) -> None:
    """Draw sweep.svg, or tell why it is not; one of a former sweep would be taken for this one's."""
    if fault := drawing_fault():
        remove(out / DRAWING)
        tell(f"{out / DRAWING} is not drawn: {fault}")
        return
    RunFolder(out).write(DRAWING, curves_svg(grid_panels(summary, varied), x_label=varied.key))


def _is_of(recipe: Recipe, known: Path) -> bool:
    resolved = tomllib.loads(recipe_text(recipe))
    return same_recipe(read_document(known), resolved, defaults=default_options(recipe))


def _report(recipe: Recipe, folder: Path) -> Report:
    known = folder / RECIPE
    if known.is_file() and not _is_of(recipe, known):
        raise RecipeError(
            f"{folder.absolute()}: holds a run of another recipe; name another folder with --out, or remove it"
        )
    if (folder / REPORT).is_file():
        return SavedRun(folder).report
    stopped = (current_checkpoint(folder / CHECKPOINTS / "last") / STATE).is_file()
    if not stopped and folder.is_dir():
        _clear_start(folder)
    return run_recipe(recipe, out=None if stopped else folder, resume=folder if stopped else None).report


def _clear_start(folder: Path) -> None:
    """Remove what a run killed before its first resumable checkpoint left, and nothing else."""
    run = RunFolder(folder)
    with run.held():
        files = [path for path in folder.iterdir() if path.name != LOCK]
        if {file.name for file in files} <= {RECIPE, ENVIRONMENT, LOG, CHECKPOINTS}:
            for file in files:
                remove(file)
