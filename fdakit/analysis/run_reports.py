"""Reports of finished runs in several formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fdakit.errors import ScoreError
from fdakit.inference.run_files import REPORT
from fdakit.plugin.contracts import Direction, Progress
from fdakit.ranking.trec import write_qrels, write_run
from fdakit.report.html_page import page_html
from fdakit.report.report_tables import DIRECTIONS
from fdakit.report.result_tables import ReportedRuns, result_lines
from fdakit.report.run_tables import page_lines, rank_bars, run_tables
from fdakit.system.atomic_files import write_text

from .clip_images import Draw
from .query_gallery import query_galleries
from .run_groups import RunGroup
from .saved_run import SavedRun

_ADVICE = "name another place with --out, or make room"


def reported(sides: Sequence[RunGroup]) -> list[ReportedRuns]:
    """Return the reports of runs for one table; runs that share a name are distinguished by their folders.

    Raises `ScoreError` if a report lacks what a table shows.
    """
    names = Counter(side.name for side in sides)
    found = []
    for side in sides:
        name = side.name if names[side.name] == 1 else f"{side.name} ({side.given})"
        for run in side.runs:
            _check(run)
        found.append(ReportedRuns(name, tuple(run.report for run in side.runs)))
    return found


def _check(run: SavedRun) -> None:
    if lacking := run.report.lacking():
        raise ScoreError(
            f"{(run.folder / REPORT).absolute()}: not the whole report of a run (without {lacking!r}); make it again "
            f"with `fdakit eval --checkpoint {run.folder} --out FOLDER`"
        )


def report_json(side: RunGroup) -> dict[str, Any]:
    """Return the report itself; for several seeds mean and deviation of every metric, and all their reports."""
    reports = [run.report for run in side.runs]
    if len(reports) == 1:
        return reports[0].to_json()
    (line, *_) = result_lines([ReportedRuns(side.name, tuple(reports))])
    both: dict[str, dict[str, Any]] = {way: {} for way in DIRECTIONS}
    for (way, metric), spread in line.metrics.items():
        both[way][metric] = spread.to_json()
    return {"name": side.name, "seeds": list(side.seeds), **both, "reports": [one.to_json() for one in reports]}


def run_page(run: SavedRun, *, worst: int, best: int, progress: Progress, draw: Draw | None = None) -> str:
    """Return the run as one HTML page: text, tables, ranks, and its worst and best queries with images.

    `draw` renders the videos, see `clip_pictures`. Raises `ScoreError` if the folder lacks a file that the page
    needs, such as its similarities.
    """
    protocol = run.report.protocol
    galleries = query_galleries(run, worst=worst, best=best, progress=progress, draw=draw)
    bars = [
        rank_bars(
            ranked.ranking.ranks(run.ties), pool=ranked.ranking.pool, title=f"Ranks of the targets, {DIRECTIONS[way]}"
        )
        for way, ranked in run.ranked.items()
    ]
    return page_html(
        f"{run.name}: {protocol.dataset} {protocol.split}",
        lines=page_lines(run.report),
        tables=run_tables(run.report),
        bars=bars,
        galleries=galleries,
    )


def write_trec(run: SavedRun, folder: Path) -> list[Path]:
    """Write run_t2v.trec, run_v2t.trec, qrels_t2v.txt and qrels_v2t.txt; return their paths.

    Captions are q0, q1, ... in the order of ranks_t2v.csv, videos have their ids. Raises `ScoreError` as `SavedRun`
    does, `FdakitError` if the folder cannot be written.
    """
    scores = run.scores()
    captions = [f"q{row}" for row in range(len(scores.owners))]
    videos = [video.id for video in run.videos]
    names: dict[Direction, tuple[list[str], list[str]]] = {"t2v": (captions, videos), "v2t": (videos, captions)}
    written = []
    for way, (queries, documents) in names.items():
        path, truth = folder / f"run_{way}.trec", folder / f"qrels_{way}.txt"
        write_run(path, scores, direction=way, queries=queries, documents=documents, tag=run.name)
        write_qrels(truth, scores, direction=way, queries=queries, documents=documents)
        written += [path, truth]
    return written


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically, with the folders above it; an existing file is replaced.

    Raises `FdakitError` if it cannot be written.
    """
    write_text(path, text, advice=_ADVICE)
