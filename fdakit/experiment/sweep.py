"""Several recipes over several seeds: one table of mean and deviation. Finished runs are never repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from fdakit.analysis.saved_run import SavedRun
from fdakit.recipe.recipe import Recipe
from fdakit.report.curves import curves_svg
from fdakit.report.evaluation_report import Report
from fdakit.report.svg_figures import drawing_fault
from fdakit.report.sweep_tables import FailedRun, SweepSummary, sweep_markdown, sweep_summary
from fdakit.system.atomic_files import remove

from .option_grid import OptionGrid, epoch_seconds, grid_panels
from .run_folder import RunFolder
from .sweep_members import Member, RunFailure
from .sweep_runs import Tell, make_runs, plan_members

DRAWING = "sweep.svg"


def sweep(
    recipes: Sequence[Recipe],
    seeds: Sequence[int],
    *,
    out: Path,
    tell: Tell,
    varied: OptionGrid | None = None,
    jobs: int = 1,
) -> SweepSummary:
    """Run every recipe with every seed into `out/<name>/seed-<n>/`; return the summary, also written there.

    A finished run is read, an interrupted one resumed, the others are made, `jobs` at a time, each in a process of
    its own if there are several. A run that fails is told and listed in the summary, and the others go on. If
    `varied` names an option with numeric values and matplotlib is installed, its curves are drawn into sweep.svg.
    Nothing is written if no run finished. Raises `RecipeError` if two recipes share a name or a folder holds a run
    of another recipe, and `FdakitError` before any run if data or weights are absent.
    """
    members = plan_members(recipes, seeds, out=out, command="sweep")
    failures = make_runs(members, jobs=jobs, tell=tell)
    summary = _summary(members, seeds, failures)
    if not summary.rows:
        return summary
    RunFolder(out).write("sweep.json", json.dumps(summary.to_json(), indent=2) + "\n")
    RunFolder(out).write("sweep.md", sweep_markdown(summary))
    if varied is not None and varied.numeric:
        _draw(summary, varied, out, tell)
    return summary


def _summary(members: Sequence[Member], seeds: Sequence[int], failures: dict[Member, RunFailure]) -> SweepSummary:
    """Return the summary of the runs that finished, which are read, with those that failed."""
    reports: dict[str, list[Report]] = {member.recipe.name: [] for member in members}
    seconds: dict[str, list[float | None]] = {name: [] for name in reports}
    for member in members:
        if member not in failures:
            reports[member.recipe.name].append(SavedRun(member.folder).report)
            seconds[member.recipe.name].append(epoch_seconds(member.folder))
    return sweep_summary(reports, seeds, seconds, failed_runs(failures))


def failed_runs(failures: Mapping[Member, RunFailure]) -> list[FailedRun]:
    """Return the failures as a summary lists them."""
    return [
        FailedRun(recipe=member.recipe.name, seed=member.recipe.seed, reason=failure.reason, fault=failure.fault)
        for member, failure in failures.items()
    ]


def _draw(summary: SweepSummary, varied: OptionGrid, out: Path, tell: Tell) -> None:
    """Draw sweep.svg, or tell why it is not; one of a former sweep would be taken for this one's."""
    if fault := drawing_fault():
        remove(out / DRAWING)
        tell(f"{out / DRAWING} is not drawn: {fault}")
        return
    RunFolder(out).write(DRAWING, curves_svg(grid_panels(summary, varied), x_label=varied.key))
