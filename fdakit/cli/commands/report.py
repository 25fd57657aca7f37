"""`fdakit report`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fdakit.cli.options import json_option, pictures_option
from fdakit.cli.printing import print_report, print_table, say
from fdakit.errors import nearest

if TYPE_CHECKING:
    from fdakit.analysis.run_groups import RunGroup
    from fdakit.report.result_tables import ReportedRuns

FORMATS = ("md", "latex", "csv", "json", "html", "trec")
_ENDINGS = {".md": "md", ".tex": "latex", ".csv": "csv", ".json": "json", ".html": "html", ".htm": "html"}
_OF_ONE = ("html", "trec")
_SHOWN = 12


@click.command("report")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--to",
    "form",
    metavar="|".join(FORMATS),
    help="Format.  [default: by the suffix of --out, else a table on stdout]",
)
@click.option("--out", type=click.Path(path_type=Path), help="File; with trec a folder.  [default: stdout]")
@click.option("--worst", type=click.IntRange(min=0), help=f"Worst queries on the page.  [default: {_SHOWN}]")
@click.option("--best", type=click.IntRange(min=0), help=f"Best queries on the page.  [default: {_SHOWN}]")
@pictures_option
@json_option
def command(
    runs: tuple[str, ...],
    form: str | None,
    out: Path | None,
    worst: int | None,
    best: int | None,
    frames: int | None,
    masks: bool,
    as_json: bool,
) -> None:
    """Report finished RUNs in a table, or one as an HTML page.

    The page shows the queries of the run.
    RUN is a run folder, or a folder of `fdakit sweep` with `seed-*/` in it, reported as mean and standard
    deviation.
    """
    chosen = _chosen(form, out, as_json)
    if chosen != "html" and (worst, best) != (None, None):
        raise click.UsageError("--worst and --best choose the queries of the page; add --to html")
    if chosen != "html" and (frames is not None or masks):
        raise click.UsageError("--frames and --masks choose the pictures of the page; add --to html")

    from fdakit.analysis.run_groups import read_run_group

    sides = [read_run_group(run) for run in runs]
    if chosen in _OF_ONE:
        assert out is not None
        _write_one(
            sides,
            chosen,
            out,
            queries=(_SHOWN if worst is None else worst, _SHOWN if best is None else best),
            frames=frames or 1,
            masks=masks,
        )
    elif chosen == "":
        _print(sides)
    else:
        _put(_text(sides, chosen), out)


def _chosen(form: str | None, out: Path | None, as_json: bool) -> str:
    """Return the form, "" for a table on the terminal."""
    if as_json:
        if form not in (None, "json") or out is not None:
            raise click.UsageError("--json prints on stdout; leave out --to and --out, or use --to json --out FILE")
        return "json"
    if form is None and out is not None:
        form = _ENDINGS.get(out.suffix.lower())
        if form is None:
            raise click.UsageError(
                f"--out {str(out)!r}: its ending names no form; add --to with {', '.join(FORMATS)}"
            )
    if form is not None and form not in FORMATS:
        raise click.UsageError(f"--to {form!r}: no such form; {nearest(form, FORMATS)}")
    if form in _OF_ONE and out is None:
        place = "FOLDER" if form == "trec" else "page.html"
        raise click.UsageError(f"--to {form}: written to files only; add --out {place}")
    return form or ""


def _write_one(
    sides: Sequence[RunGroup], form: str, out: Path, *, queries: tuple[int, int], frames: int, masks: bool
) -> None:
    if len(sides) > 1 or len(sides[0].runs) > 1:
        seeds = f"; its seeds are {', '.join(str(run.folder) for run in sides[0].runs)}" if len(sides) == 1 else ""
        raise click.UsageError(f"--to {form}: is made of one run; name a single run folder{seeds}")
    (run,) = sides[0].runs

    from fdakit.analysis.run_reports import reported, run_page, write_trec, write_whole
    from fdakit.system.terminal import ProgressBar

    reported(sides)  # what is wrong with the report is said before any video is read
    if form == "trec":
        for path in write_trec(run, out):
            say(f"written: {path}")
        return
    from fdakit.analysis.clip_images import clip_pictures
    from fdakit.catalog import load_catalog

    worst, best = queries
    # Left out where it is the default, so that the page makes its thumbnails itself.
    draw = clip_pictures(run, frames=frames, masks=masks, catalog=load_catalog()) if masks or frames > 1 else None
    bar = ProgressBar()
    try:
        page = run_page(run, worst=worst, best=best, progress=bar.progressed, draw=draw)
    finally:
        bar.close()
    write_whole(out, page)
    say(f"written: {out}")


def _text(sides: Sequence[RunGroup], form: str) -> str:
    import json

    from fdakit.analysis.run_reports import report_json, reported
    from fdakit.report.latex import latex_table
    from fdakit.report.report_tables import report_markdown
    from fdakit.report.text_tables import csv_table, results_markdown

    runs = reported(sides)
    if form == "json":
        documents = [report_json(side) for side in sides]
        return json.dumps(documents[0] if len(documents) == 1 else documents, indent=2, allow_nan=False) + "\n"
    if form == "md" and _is_single(runs):
        return report_markdown(runs[0].reports[0])
    return {"md": results_markdown, "latex": latex_table, "csv": csv_table}[form](runs)


def _put(text: str, out: Path | None) -> None:
    if out is None:
        say(text, nl=False)
        return

    from fdakit.analysis.run_reports import write_whole

    write_whole(out, text)
    say(f"written: {out}")


def _is_single(runs: Sequence[ReportedRuns]) -> bool:
    return len(runs) == 1 and len(runs[0].reports) == 1


def _print(sides: Sequence[RunGroup]) -> None:
    from fdakit.analysis.run_reports import reported
    from fdakit.report.result_tables import by_protocol

    runs = reported(sides)
    if _is_single(runs):
        print_report(runs[0].reports[0], sides[0].runs[0].folder)
        return
    for group in by_protocol(runs):
        _print_table(group)


def _print_table(runs: Sequence[ReportedRuns]) -> None:
    from fdakit.report.report_tables import DIRECTIONS
    from fdakit.report.result_tables import HEADINGS, cell, metric_columns, remarks, result_lines

    lines = result_lines(runs)
    for kind, group in groupby(lines, key=lambda line: line.kind):
        shown = list(group)
        for way, title in DIRECTIONS.items():
            columns = [column for column in metric_columns(lines) if column[0] == way]
            rows = [[line.title, *(cell(line, column) for column in columns)] for line in shown]
            heading = f"{HEADINGS[kind]} ({title})" if HEADINGS[kind] else title
            print_table(heading, ["run", *(name for _, name in columns)], rows, numbers=True)
    for name, text in remarks(runs):
        say(f"{name}: {text}" if name else text)
