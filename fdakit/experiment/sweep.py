"""Several recipes over several seeds: one table of mean and deviation. Finished runs are never repeated."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from fdakit.analysis.saved_run import SavedRun
from fdakit.errors import RecipeError
from fdakit.recipe.recipe import Recipe
from fdakit.report.curves import curves_svg
from fdakit.report.evaluation_report import Report
from fdakit.report.svg_figures import drawing_fault
from fdakit.report.sweep_tables import FailedRun, SweepSummary, sweep_markdown, sweep_summary
from fdakit.system.atomic_files import remove

from .option_grid import OptionGrid, epoch_seconds, grid_panels
from .run_folder import RunFolder
from .sweep_members import Member, RunFailure, check_members, run_member
from .sweep_processes import run_side_by_side

DRAWING = "sweep.svg"
Tell = Callable[[str], None]


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
    Raises `RecipeError` if two recipes share a name or a folder holds a run of another recipe.
    """
    names = [recipe.name for recipe in recipes]
    if len(set(names)) < len(names):
        raise RecipeError(
            f"sweep: recipes share a name: {', '.join(sorted(names))}; give each `name` a value of its own"
        )
    members = [
        Member(replace(recipe, seed=seed), out / recipe.name / f"seed-{seed}") for recipe in recipes for seed in seeds
    ]
    check_members(members)
    summary = _summary(members, seeds, dict(_made(members, jobs, tell)), tell)
    RunFolder(out).write("sweep.json", json.dumps(summary.to_json(), indent=2) + "\n")
    RunFolder(out).write("sweep.md", sweep_markdown(summary))
    if varied is not None and varied.numeric and summary.rows:
        _draw(summary, varied, out, tell)
    return summary


def _made(members: Sequence[Member], jobs: int, tell: Tell) -> Iterator[tuple[Member, RunFailure]]:
    """Make the runs that are not finished; yield those that failed."""
    unfinished = [member for member in members if not member.finished]
    for member in members:
        if member not in unfinished:
            tell(f"{member.label}: finished already, {member.folder}")
    made = run_side_by_side(unfinished, jobs=jobs, tell=tell) if jobs > 1 else _in_turn(unfinished, tell)
    with closing(made):
        for done, (member, failure) in enumerate(made, len(members) - len(unfinished) + 1):
            how = f"failed: {failure.reason}" if failure else "finished"
            tell(f"{member.label}: {how} ({done} of {len(members)})")
            if failure is not None:
                yield member, failure


def _in_turn(members: Sequence[Member], tell: Tell) -> Generator[tuple[Member, RunFailure | None], None, None]:
    """Make one run after the other in this process; yield each with its failure, if it failed."""
    for member in members:
        tell(f"{member.label}: {member.folder}")
        try:
            run_member(member)
        except Exception as error:
            if os.environ.get("FDAKIT_TRACEBACK"):
                raise
            yield member, RunFailure.of(error, member)
        else:
            yield member, None


def _summary(
    members: Sequence[Member], seeds: Sequence[int], failures: dict[Member, RunFailure], tell: Tell
) -> SweepSummary:
    """Return the summary of the runs that finished, which are read, with those that failed."""
    reports: dict[str, list[Report]] = {member.recipe.name: [] for member in members}
    seconds: dict[str, list[float | None]] = {name: [] for name in reports}
    for member in members:
        if member not in failures:
            reports[member.recipe.name].append(SavedRun(member.folder).report)
            seconds[member.recipe.name].append(epoch_seconds(member.folder))
    failed = [
        FailedRun(recipe=member.recipe.name, seed=member.recipe.seed, reason=failure.reason, fault=failure.fault)
        for member, failure in failures.items()
    ]
    return sweep_summary(reports, seeds, seconds, failed)


def _draw(summary: SweepSummary, varied: OptionGrid, out: Path, tell: Tell) -> None:
    """Draw sweep.svg, or tell why it is not; one of a former sweep would be taken for this one's."""
    if fault := drawing_fault():
        remove(out / DRAWING)
        tell(f"{out / DRAWING} is not drawn: {fault}")
        return
    RunFolder(out).write(DRAWING, curves_svg(grid_panels(summary, varied), x_label=varied.key))
