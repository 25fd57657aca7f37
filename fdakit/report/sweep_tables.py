"""The summary of a sweep, sweep.json, as a frozen value, and its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator

from fdakit.plugin.contracts import Direction
from fdakit.system.json_records import JsonRecord

from .evaluation_report import BothMetrics, Report, in_direction
from .markdown import markdown_table, markdown_text
from .mean_std import MeanStd
from .report_tables import DIRECTIONS, control_label
from .result_tables import protocol_names

METRICS = ("R@1", "R@5", "R@10", "MdR", "MnR")


class SweepRow(JsonRecord):
    """Mean and deviation over seeds of a recipe's metrics, under its own mask or a control.

    `epoch_seconds` are those of a training epoch, if every seed's are known; `finished` and `asked` count its runs,
    if some failed. `protocol` names data, split and rules.
    """

    recipe: str
    protocol: str = ""
    control: str | None
    finished: int | None = None
    asked: int | None = None
    epoch_seconds: MeanStd | None = None
    t2v: Mapping[str, MeanStd]
    v2t: Mapping[str, MeanStd]

    @property
    def label(self) -> str:
        """The recipe, what replaced its mask, and how many of its runs it is of, if not of all."""
        label = f"{self.recipe}, {control_label(self.control)}" if self.control else self.recipe
        return label if self.finished is None else f"{label} ({self.finished} of {self.asked} seeds)"


class FailedRun(JsonRecord):
    """A run of a sweep without a report, and why; `fault` is whether a part or fdakit itself is to blame."""

    recipe: str
    seed: int
    reason: str
    fault: bool = False


class UnlearntRun(JsonRecord):
    """A run of a sweep that finished and has learnt nothing, and the finding of its report."""

    recipe: str
    seed: int
    finding: str


class SweepSummary(JsonRecord):
    """The rows of a sweep: each recipe, followed by its controls; the runs that failed, those that learnt nothing."""

    seeds: Annotated[Sequence[int], AfterValidator(tuple)]
    rows: Annotated[Sequence[SweepRow], AfterValidator(tuple)]
    failed: Annotated[Sequence[FailedRun], AfterValidator(tuple)] = ()
    unlearnt: Annotated[Sequence[UnlearntRun], AfterValidator(tuple)] = ()

    @property
    def protocols(self) -> list[str]:
        """The protocols of all rows, each once."""
        return list(dict.fromkeys(row.protocol for row in self.rows))


def sweep_summary(
    reports: Mapping[str, Sequence[Report]],
    seeds: Sequence[int],
    seconds: Mapping[str, Sequence[float | None]],
    failed: Sequence[FailedRun] = (),
) -> SweepSummary:
    """Return mean and deviation over seeds of every metric, for each recipe and each of its controls.

    `reports` and `seconds`, those of a training epoch, hold a value for each recipe and seed that did not fail. A
    recipe of which no run finished has no row.
    """
    rows = []
    done = {name: found for name, found in reports.items() if found}
    protocols = protocol_names([found[0] for found in done.values()])
    for (name, found), protocol in zip(done.items(), protocols, strict=True):
        counts: dict[str, object] = {"protocol": protocol}
        if len(found) != len(seeds):
            counts |= {"finished": len(found), "asked": len(seeds)}
        taken = [value for value in seconds.get(name, ()) if value is not None]
        timed = {"epoch_seconds": MeanStd.of(taken)} if len(taken) == len(found) else {}
        rows.append(_row(name, None, found).model_copy(update={**timed, **counts}))
        for control in found[0].controls:
            both = [report.controls[control] for report in found]
            rows.append(_row(name, control, both).model_copy(update=counts))
    unlearnt = [
        UnlearntRun(recipe=name, seed=report.provenance.seed or 0, finding=report.finding)
        for name, found in reports.items()
        for report in found
        if report.finding
    ]
    more = {"failed": tuple(failed), "unlearnt": tuple(unlearnt)}
    return SweepSummary(seeds=seeds, rows=rows).model_copy(update={key: told for key, told in more.items() if told})


def _row(name: str, control: str | None, found: Sequence[Report | BothMetrics]) -> SweepRow:
    return SweepRow(recipe=name, control=control, t2v=_spreads(found, "t2v"), v2t=_spreads(found, "v2t"))


def _spreads(seeds: Sequence[Report | BothMetrics], way: Direction) -> dict[str, MeanStd]:
    return {metric: MeanStd.of(in_direction(one, way)[metric] for one in seeds) for metric in METRICS}


def sweep_rows(summary: SweepSummary, way: Direction) -> list[list[str]]:
    """Return label, with the protocol if there are several, and `mean ± sd` of every metric, as text."""
    several = len(summary.protocols) > 1
    return [
        [
            f"{row.label}: {row.protocol}" if several else row.label,
            *(in_direction(row, way)[metric].text() for metric in METRICS),
        ]
        for row in summary.rows
    ]


def sweep_title(summary: SweepSummary, way: Direction) -> str:
    """Return the title of a table: the direction, and the protocol if all rows share one."""
    shared = summary.protocols if len(summary.protocols) == 1 else []
    return ", ".join(filter(None, [DIRECTIONS[way], *shared]))


def sweep_markdown(summary: SweepSummary) -> str:
    """Return both directions as Markdown tables, and the runs that failed or have learnt nothing."""
    lines = [f"Mean ± standard deviation over seeds {', '.join(map(str, summary.seeds))}.", ""]
    for way in DIRECTIONS:
        title, rows = sweep_title(summary, way), sweep_rows(summary, way)
        lines += [f"## {markdown_text(title[0].upper() + title[1:])}", ""]
        lines += [*markdown_table(["recipe", *METRICS], rows), ""]
    if summary.failed:
        failed = [[one.recipe, str(one.seed), one.reason.replace("\n", "; ")] for one in summary.failed]
        lines += ["## Failed runs", "", *markdown_table(["recipe", "seed", "why"], failed), ""]
    if summary.unlearnt:
        unlearnt = [[one.recipe, str(one.seed), one.finding] for one in summary.unlearnt]
        lines += ["## Runs that have learnt nothing", "", "They count in the tables above.", ""]
        lines += [*markdown_table(["recipe", "seed", "finding"], unlearnt), ""]
    return "\n".join(lines)
