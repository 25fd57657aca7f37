"""The summary of a sweep, sweep.json, as a frozen value, and its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator

from fdakit.plugin.contracts import Direction
from fdakit.system.json_records import JsonRecord

from .evaluation_report import BothMetrics, Report, in_direction
from .markdown import markdown_table
from .mean_std import MeanStd
from .report_tables import DIRECTIONS, control_label

METRICS = ("R@1", "R@5", "R@10", "MdR", "MnR")


class SweepRow(JsonRecord):
    """Mean and deviation over seeds of a recipe's metrics, under its own mask or a control.

    `epoch_seconds` are those of a training epoch, if every seed's are known.
    """

    recipe: str
    control: str | None
    epoch_seconds: MeanStd | None = None
    t2v: Mapping[str, MeanStd]
    v2t: Mapping[str, MeanStd]

    @property
    def label(self) -> str:
        """The recipe and what replaced its mask."""
        return f"{self.recipe}, {control_label(self.control)}" if self.control else self.recipe


class SweepSummary(JsonRecord):
    """The rows of a sweep: each recipe, followed by its controls."""

    seeds: Annotated[Sequence[int], AfterValidator(tuple)]
    rows: Annotated[Sequence[SweepRow], AfterValidator(tuple)]


def sweep_summary(
    reports: Mapping[str, Sequence[Report]],
    seeds: Sequence[int],
    seconds: Mapping[str, Sequence[float | None]],
) -> SweepSummary:
    """Return mean and deviation over seeds of every metric, for each recipe and each of its controls.

    `reports` and `seconds`, those of a training epoch, hold a value for each recipe and seed.
    """
    rows = []
    for name, found in reports.items():
        row = SweepRow(recipe=name, control=None, t2v=_spreads(found, "t2v"), v2t=_spreads(found, "v2t"))
        taken = [value for value in seconds.get(name, ()) if value is not None]
        timed = {"epoch_seconds": MeanStd.of(taken)} if len(taken) == len(found) else {}
        rows.append(row.model_copy(update=timed))
        for control in found[0].controls:
            both = [report.controls[control] for report in found]
            rows.append(SweepRow(recipe=name, control=control, t2v=_spreads(both, "t2v"), v2t=_spreads(both, "v2t")))
    return SweepSummary(seeds=seeds, rows=rows)


def _spreads(seeds: Sequence[Report | BothMetrics], way: Direction) -> dict[str, MeanStd]:
    return {metric: MeanStd.of(in_direction(one, way)[metric] for one in seeds) for metric in METRICS}


def sweep_rows(summary: SweepSummary, way: Direction) -> list[list[str]]:
    """Return label and `mean ± sd` of every metric, as text."""
    return [[row.label, *(in_direction(row, way)[metric].text() for metric in METRICS)] for row in summary.rows]


def sweep_markdown(summary: SweepSummary) -> str:
    """Return both directions as Markdown tables."""
    lines = [f"Mean ± standard deviation over seeds {', '.join(map(str, summary.seeds))}.", ""]
    for way, title in DIRECTIONS.items():
        lines += [f"## {title.capitalize()}", "", *markdown_table(["recipe", *METRICS], sweep_rows(summary, way)), ""]
    return "\n".join(lines)
