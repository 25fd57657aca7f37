"""Several reports in one table: a row for each run, and separate rows of other masks and of rescored scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fdakit.plugin.contracts import Direction
from fdakit.split_rules import CHOSEN

from .evaluation_report import BothMetrics, Report, RescoredMetrics, in_direction
from .mean_std import MeanStd
from .report_tables import DIRECTIONS, RANDOM_WEIGHTS, control_label

METRICS = ("R@1", "R@5", "R@10", "R@50", "MdR", "MnR")
EVERY = (*METRICS, "MRR", "RSum")
Column = tuple[Direction, str]
"""Direction and metric."""

Kind = Literal["result", "control", "rescored"]
HEADINGS: Mapping[Kind, str] = {
    "result": "",
    "control": "Controls: same weights, another mask",
    "rescored": "Rescored: scores changed afterwards, not comparable with the lines above",
}


@dataclass(frozen=True)
class ReportedRuns:
    """A run by its name with the report of every seed, at least one; all of one recipe."""

    name: str
    reports: tuple[Report, ...]


@dataclass(frozen=True)
class ResultLine:
    """One row: `label` is what was changed, "" for the result itself.

    `metrics` has a spread for each direction and metric that was measured.
    """

    name: str
    kind: Kind
    label: str
    metrics: Mapping[Column, MeanStd]

    @property
    def title(self) -> str:
        """Name and label in one cell."""
        return f"{self.name}, {self.label}" if self.label else self.name


def run_titles(runs: Sequence[ReportedRuns]) -> list[str]:
    """Return the runs' names, in brackets what names their numbers beside data set, split and rules.

    That is the protocol where only some of the captions were scored, and the options of a data set that differ.
    """
    reports = [run.reports[0] for run in runs]
    return [
        _run_title(run.name, report, _differing(report, reports)) for run, report in zip(runs, reports, strict=True)
    ]


def _run_title(name: str, report: Report, options: Mapping[str, Any]) -> str:
    captions = report.protocol.captions
    told = [*([captions] if captions in CHOSEN else []), *(f"{key}={value}" for key, value in options.items())]
    return f"{name} ({', '.join(told)})" if told else name


def by_protocol(runs: Sequence[ReportedRuns]) -> list[tuple[ReportedRuns, ...]]:
    """Return the runs in groups that may stand in one table: of one data set and split, scored by the same rules.

    Numbers of different protocols are never put into one column.
    """
    groups: dict[str, list[ReportedRuns]] = {}
    for run in runs:
        groups.setdefault(protocol_line(run.reports[0]), []).append(run)
    return [tuple(group) for group in groups.values()]


def protocol_names(reports: Sequence[Report]) -> list[str]:
    """Return a name for each report's protocol; two are equal only if data, split and rules are.

    Options of a data set are named where they differ, and the list of videos or captions where only that does.
    """
    names = [_rule_name(report, _differing(report, reports)) for report in reports]
    kinds = {(name, _lists(report)) for name, report in zip(names, reports, strict=True)}
    shared = {name for name, count in Counter(name for name, _ in kinds).items() if count > 1}
    return [
        f"{name}, videos {report.videos.id_hash[:8]}, captions {report.captions.hash[:8]}" if name in shared else name
        for name, report in zip(names, reports, strict=True)
    ]


def _lists(report: Report) -> tuple[str, str]:
    return report.videos.id_hash, report.captions.hash


def _differing(report: Report, reports: Sequence[Report]) -> dict[str, Any]:
    """Return the options of its data set that are others in another report of the same data set."""
    own = report.protocol.dataset_options
    peers = [one.protocol.dataset_options for one in reports if one.protocol.dataset == report.protocol.dataset]
    return {key: value for key, value in own.items() if any(peer.get(key) != value for peer in peers)}


def _rule_name(report: Report, options: Mapping[str, Any]) -> str:
    rules = report.protocol
    named = "".join(f" {key}={value}" for key, value in options.items())
    return f"{rules.dataset}{named} {rules.split} ({rules.captions}, {rules.video_to_text}, ties {rules.ties})"


def result_lines(runs: Sequence[ReportedRuns]) -> list[ResultLine]:
    """Return all results, then all controls, then all rescored rows, each in the order of the runs."""
    titled = list(zip(run_titles(runs), runs, strict=True))
    found = [ResultLine(title, "result", _seeds(run), _spreads(run.reports)) for title, run in titled]
    for title, run in titled:
        for control in _shared([report.controls for report in run.reports]):
            taken = _spreads([report.controls[control] for report in run.reports])
            found.append(ResultLine(title, "control", control_label(control), taken))
    for title, run in titled:
        for name in _shared([report.rescored for report in run.reports]):
            both = [report.rescored[name] for report in run.reports]
            more = " (needs all queries)" if both[0].needs_all_queries else ""
            found.append(ResultLine(title, "rescored", f"rescored: {name}{more}", _spreads(both)))
    return found


def metric_columns(lines: Sequence[ResultLine], metrics: Sequence[str] = METRICS) -> list[Column]:
    """Return (direction, metric) of every column with any value, text to video first."""
    filled = {column for line in lines for column in line.metrics}
    return [(way, name) for way in DIRECTIONS for name in metrics if (way, name) in filled]


def cell(line: ResultLine, column: Column, *, sign: str = "±", absent: str = "") -> str:
    """Return a value with one digit, or mean and deviation."""
    spread = line.metrics.get(column)
    return absent if spread is None else spread.text(sign=sign)


def best_lines(lines: Sequence[ResultLine], column: Column) -> set[int]:
    """Return the indices of a column's best results as displayed, several if they are displayed alike.

    Only unmodified results compete; there must be two of them.
    """
    shown = {
        place: float(f"{line.metrics[column].mean:.1f}")
        for place, line in enumerate(lines)
        if line.kind == "result" and column in line.metrics
    }
    if len(shown) < 2:
        return set()
    first = max(shown.values()) if column[1].startswith("R@") else min(shown.values())
    return {place for place, value in shown.items() if value == first}


def protocol_line(report: Report) -> str:
    """Return what two reports must share for their numbers to be compared, in one line."""
    protocol = report.protocol
    return (
        f"{protocol.dataset} {protocol.split}, {protocol.captions}, video to text {protocol.video_to_text}, "
        f"ties by the {protocol.ties} rule"
    )


def shortfalls(run: ReportedRuns) -> list[str]:
    """Return remarks on random weights, missing videos and videos that were trained on, of the worst seed."""
    videos = [report.videos for report in run.reports]
    missing, damaged = max(one.missing for one in videos), max(one.damaged for one in videos)
    found = [RANDOM_WEIGHTS] if any(report.random_weights for report in run.reports) else []
    if missing:
        found.append(f"{missing:,} absent video{'s'[: missing > 1]} left out: not the full split")
    if damaged:
        found.append(f"{damaged:,} unreadable video{'s'[: damaged > 1]}: their queries count as misses")
    shared = max(one.training.shared or 0 for one in videos)
    if shared:
        found.append(f"{shared:,} of these videos trained on")
    return found


def remarks(runs: Sequence[ReportedRuns]) -> list[tuple[str, str]]:
    """Return (name of a run, "" for all; remark) to be read with the table, unreadable videos first."""
    found = [(run.name, text) for run in runs for text in shortfalls(run)]
    protocols = {run.name: protocol_line(run.reports[0]) for run in runs}
    if len(set(protocols.values())) == 1:
        return [*found, ("", next(iter(protocols.values())))]
    return [*found, *protocols.items(), ("", "runs of different protocols: their numbers do not compare")]


def one_protocol(runs: Sequence[ReportedRuns]) -> bool:
    """Return whether all runs were scored alike and on all videos, so that one may be called the best."""
    return len({protocol_line(run.reports[0]) for run in runs}) == 1 and not any(shortfalls(run) for run in runs)


def _seeds(run: ReportedRuns) -> str:
    return f"mean ± sd of {len(run.reports)} seeds" if len(run.reports) > 1 else ""


def _spreads(seeds: Sequence[Report | BothMetrics | RescoredMetrics]) -> dict[Column, MeanStd]:
    return {
        (way, name): MeanStd.of(in_direction(one, way)[name] for one in seeds)
        for way in DIRECTIONS
        for name in EVERY
        if all(name in in_direction(one, way) for one in seeds)
    }


def _shared(tables: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the names that the tables of all seeds have."""
    return [name for name in tables[0] if all(name in table for table in tables)]
