"""The text, tables and bars of a page about one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .evaluation_report import Interval, Metrics, Report, in_direction
from .html_page import PageBars, PageTable
from .report_tables import DIRECTIONS, report_notes
from .result_tables import EVERY

_WORDS: Mapping[str, Mapping[str, str]] = {
    "captions": {
        "single-caption": "one caption a video",
        "multi-caption": "several captions a video, each of them a query",
        "first-caption": "the first caption of each video, of several",
        "five-captions": "the first five captions of each video, each of them a query",
        "paragraph": "all sentences of a video as one text",
    },
    "video_to_text": {
        "grouped": "from video to text the captions of a video stand as one, where the best of them stands",
        "per-caption": "from video to text the best caption of a video is ranked among those of all others",
    },
    "ties": {
        "expected": "among equal scores every order counts alike",
        "average": "among equal scores every query has the middle place",
        "optimistic": "among equal scores the right one stands first",
        "pessimistic": "among equal scores the right one stands last",
    },
}
_BINS = (1, 5, 10, 50, 100, 500, 1000, 5000, 10_000)
_NOTE = (
    "R@K is in percent, the higher the better; MdR and MnR are median and mean rank, the lower the better. "
    "MRR is the mean of 1 / rank, RSum is R@1 + R@5 + R@10."
)
_CONTROLS = "The same weights, given another mask: how far the result rests on its own."
_RESCORED = (
    "Scores changed afterwards, not comparable with the result. Where all queries are needed, nobody who searches "
    "online can have them."
)
_INTERVALS = " Intervals: bootstrap over queries, captions of one video drawn together."


def protocol_words(report: Report) -> str:
    """Return how the run was scored, for readers who do not know the names of the rules.

    A rule without an explanation is given by its name.
    """
    protocol = report.protocol
    rules = {"captions": protocol.captions, "video_to_text": protocol.video_to_text, "ties": protocol.ties}
    words = [_WORDS[rule].get(value, f"{rule}: {value}") for rule, value in rules.items()]
    return f"how it was scored: {'; '.join(words)}"


def page_lines(report: Report) -> list[str]:
    """Return the notes to be read with the numbers, unreadable videos first, and the protocol in words."""
    return [*report_notes(report), protocol_words(report)]


def run_tables(report: Report) -> list[PageTable]:
    """Return the result with its intervals; then controls and rescored scores of each direction, in separate tables.

    The result is repeated above the controls, for comparison, but never next to rescored scores.
    """
    names = [name for name in EVERY if any(name in in_direction(report, way) for way in DIRECTIONS)]
    columns = ("", *names)
    rows: list[tuple[str, ...]] = []
    for way, title in DIRECTIONS.items():
        rows.append((title, *_cells(in_direction(report, way), names)))
        intervals = in_direction(report.ci95, way)
        if intervals:
            rows.append(("95% interval", *(_interval(intervals.get(name), name) for name in names)))
    tables = [PageTable("Result", columns, tuple(rows), _NOTE + (_INTERVALS if report.ci95.t2v else ""))]
    for way, title in DIRECTIONS.items():
        found = [(f"{label} mask", *_cells(in_direction(b, way), names)) for label, b in report.controls.items()]
        if found:
            own = ("the result", *_cells(in_direction(report, way), names))
            tables.append(PageTable(f"Controls, {title}", columns, (own, *found), _CONTROLS))
    for way, title in DIRECTIONS.items():
        found = [
            (
                label + (", needs all queries" if both.needs_all_queries else ""),
                *_cells(in_direction(both, way), names),
            )
            for label, both in report.rescored.items()
            if both.states(way)
        ]
        if found:
            tables.append(PageTable(f"Rescored, {title}", columns, tuple(found), _RESCORED))
    return tables


def rank_bars(ranks: NDArray[np.float64], *, pool: int, title: str) -> PageBars:
    """Return a histogram of ranks `(n,)` from 1 in widening bins; 1.5 counts in 2 to 5."""
    ends = [*(end for end in _BINS if end < pool), pool]
    places = np.searchsorted(ends, ranks, side="left")
    counts = np.bincount(places, minlength=len(ends)).tolist()
    names = [_bin(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    return PageBars(title, tuple(zip(names, counts, strict=True)), f"{len(ranks):,} queries, {pool:,} candidates")


def _bin(start: int, end: int) -> str:
    return f"rank {end:,}" if end == start + 1 else f"{start + 1:,} to {end:,}"


def _cells(metrics: Metrics, names: Sequence[str]) -> list[str]:
    return [_number(metrics[name], name) if name in metrics else "" for name in names]


def _interval(found: Interval | None, name: str) -> str:
    return f"{_number(found[0], name)} to {_number(found[1], name)}" if found else ""


def _number(value: float, name: str) -> str:
    return f"{value:.3f}" if name == "MRR" else f"{value:.1f}"
