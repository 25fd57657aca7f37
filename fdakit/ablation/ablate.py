"""An ablation: systems, data sets and seeds in one table. Finished runs and measured costs are never repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from fdakit.analysis.saved_run import SavedRun
from fdakit.errors import FdakitError
from fdakit.experiment.run_folder import RunFolder
from fdakit.experiment.sweep import failed_runs
from fdakit.experiment.sweep_members import Member, RunFailure
from fdakit.experiment.sweep_runs import Tell, make_runs, plan_members
from fdakit.report.ablation import Ablation, AblationCell, SystemCost, ablation_cell
from fdakit.report.ablation_tables import COST_LABEL, ablation_latex, ablation_markdown, ablation_panels
from fdakit.report.curves import curves_png
from fdakit.report.evaluation_report import Report
from fdakit.report.result_tables import protocol_names
from fdakit.report.svg_figures import drawing_fault
from fdakit.system.atomic_files import atomic_file, remove

from .costs import kept_cost
from .systems import System

JSON, MARKDOWN, LATEX, PLOT = "ablate.json", "ablate.md", "ablate.tex", "ablate.png"


def ablate(systems: Sequence[System], seeds: Sequence[int], *, out: Path, tell: Tell, jobs: int = 1) -> Ablation:
    """Run every system with every seed into `out/<name>/seed-<n>/`; return the table, also written there.

    A finished run is read, an interrupted one resumed, the others are made, `jobs` at a time. A run that fails is
    told and listed, and the others go on. What a system costs is measured once, into `out/<name>/cost.json`.
    No table is written if no run finished. Raises `RecipeError` if two systems share a name or a folder holds a run
    of another recipe, and `FdakitError` before any run if data or weights are absent.
    """
    members = plan_members([one.recipe for one in systems], seeds, out=out, command="ablate")
    failures = make_runs(members, jobs=jobs, tell=tell)
    table = Ablation(seeds=seeds, cells=_cells(systems, members, failures, seeds, out=out, tell=tell))
    if failures:
        table = table.model_copy(update={"failed": tuple(failed_runs(failures))})
    if not table.cells:
        return table
    folder = RunFolder(out)
    folder.write(JSON, json.dumps(table.to_json(), indent=2) + "\n")
    folder.write(MARKDOWN, ablation_markdown(table))
    folder.write(LATEX, ablation_latex(table))
    _draw(table, out / PLOT, tell)
    return table


def _cells(
    systems: Sequence[System],
    members: Sequence[Member],
    failures: Mapping[Member, RunFailure],
    seeds: Sequence[int],
    *,
    out: Path,
    tell: Tell,
) -> list[AblationCell]:
    """Return a cell for each system of which a run finished."""
    reports: dict[str, list[Report]] = {}
    for member in members:
        if member not in failures:
            reports.setdefault(member.recipe.name, []).append(SavedRun(member.folder).report)
    done = [one for one in systems if one.recipe.name in reports]
    names = protocol_names([reports[one.recipe.name][0] for one in done])
    return [
        ablation_cell(
            one.system,
            one.data,
            protocol=protocol,
            reports=reports[one.recipe.name],
            asked=len(seeds),
            cost=_cost(one, out / one.recipe.name / "cost.json", tell),
        )
        for one, protocol in zip(done, names, strict=True)
    ]


def _cost(system: System, path: Path, tell: Tell) -> SystemCost | None:
    try:
        return kept_cost(system.recipe, path)
    except FdakitError as error:
        tell(f"{system.recipe.name}: its cost could not be measured: {error}")
        return None


def _draw(table: Ablation, path: Path, tell: Tell) -> None:
    """Draw R@1 against cost, or tell why not; a former picture would be taken for this table's."""
    panels = ablation_panels(table)
    fault = drawing_fault() if panels else "no system has both a result and a cost"
    if fault:
        remove(path)
        tell(f"{path} is not drawn: {fault}")
        return
    picture = curves_png(panels, x_label=COST_LABEL)
    with atomic_file(path) as temporary:
        temporary.write_bytes(picture)
