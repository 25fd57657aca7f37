"""`fdakit index`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fdakit.cli.options import json_option, set_option
from fdakit.cli.printing import print_json, print_table, say

if TYPE_CHECKING:
    from fdakit.search.indexing import IndexingResult

_SHOWN = 10


@click.command("index")
@click.argument("videos", nargs=-1, metavar="[VIDEOS]...")
@click.option("--out", "folder", type=click.Path(path_type=Path), required=True, help="Folder of the index.")
@click.option("--model", help="Run folder, checkpoint, or recipe; needed once.")
@click.option("--window", type=click.FloatRange(min=0.1, max=86400), help="Seconds of a segment.  [default: 10]")
@click.option("--step", type=click.FloatRange(min=0.1, max=86400), help="Seconds between segments.  [default: 5]")
@click.option("--whole", is_flag=True, help="Make each video one segment, however long.")
@click.option("--cuts", is_flag=True, help="Let no segment extend over a cut.")
@click.option(
    "--skip-still",
    type=click.FloatRange(min=0, max=1),
    metavar="SHARE",
    help="Keep no vector of segments of which the mask marks less.",
)
@click.option("--watch", is_flag=True, help="Go on and index what is added or changed, until Ctrl-C.")
@click.option("--prune", is_flag=True, help="Remove a folder's videos from the index even if all are gone.")
@click.option("--verify", is_flag=True, help="Look for damaged files and rows in the index; changes nothing.")
@click.option("--stats", is_flag=True, help="Show what the index holds, and measure how well it is searched.")
@click.option("--workers", type=click.IntRange(min=0, max=256), help="Reading processes, instead of loader.workers.")
@set_option
@json_option
def command(
    videos: tuple[str, ...],
    folder: Path,
    model: str | None,
    window: float | None,
    step: float | None,
    whole: bool,
    cuts: bool,
    skip_still: float | None,
    watch: bool,
    prune: bool,
    verify: bool,
    stats: bool,
    workers: int | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make an index of VIDEOS for a search, or update it.

    VIDEOS are folders, files, patterns as 'clips/*.mp4', or @list.txt with one a line. They are needed once: later
    the same ones are looked at again, and only what is new, changed, moved or gone is dealt with. What was indexed
    is kept whatever happens; stopped at any time, the same command goes on.
    """
    if verify or stats:
        if videos or watch or model or (verify and stats):
            raise click.UsageError("--verify and --stats only read the index; give one of them, and --out")
        (_verify if verify else _stats)(folder, as_json=as_json)
        return
    if watch and as_json:
        raise click.UsageError("--watch goes on until Ctrl-C and prints a line an update; leave --json out")

    from fdakit.search.index_job import IndexJob, IndexRequest
    from fdakit.search.table.index_info import WHOLE, Segmentation
    from fdakit.system.terminal import ProgressBar

    if whole and (window or step or cuts):
        raise click.UsageError("--whole makes a video one segment; leave --window, --step and --cuts out")
    if whole:
        window = step = WHOLE.window
    given = {"window": window, "step": step, "cuts": cuts or None, "skip_still": skip_still}
    chosen = {name: value for name, value in given.items() if value is not None}
    cut = Segmentation(**{**Segmentation().model_dump(), **chosen}) if chosen else None
    request = IndexRequest(folder, videos, model, settings, cut, prune, workers)
    with ProgressBar() as bar, IndexJob(request, tell=_warn, progress=bar.progressed) as job:
        if watch:
            say(f"watching; index: {folder}")
            job.watch()
        done = job.update()
    if as_json:
        print_json({"index": str(folder.absolute()), **done.to_json()})
    else:
        _print(folder, done)


def _print(folder: Path, done: IndexingResult) -> None:
    from fdakit.search.index_job import summary

    for heading, named in (("could not be read", done.unreadable), ("remarks", done.remarks)):
        if named:
            say(f"{heading}: {len(named):,}")
            for path, reason in list(named.items())[:_SHOWN]:
                say(f"  {path}: {reason.removeprefix(f'{path}: ')}")
            if len(named) > _SHOWN:
                say(f"  and {len(named) - _SHOWN:,} more; --json lists all")
    say(f"{folder}: {summary(done)}")
    if done.added or done.updated:
        say(f'search it with: fdakit search {folder} "what you look for"')


def _stats(folder: Path, *, as_json: bool) -> None:
    from fdakit.search.index_stats import index_stats
    from fdakit.search.opened_index import Index
    from fdakit.system.terminal import ProgressBar

    with Index(folder) as index, ProgressBar() as bar:
        found = index_stats(index, progress=bar.progressed)
    if as_json:
        print_json({"index": str(folder.absolute()), **found.to_json()})
        return
    counts = ", ".join(f"{count:,} {name}" for name, count in found.segments.items()) or "none"
    rows = [
        ["videos", f"{found.files:,}, {found.seconds / 3600:.2f} h"],
        ["segments", counts],
        ["model", found.model],
        ["table", f"{found.table_bytes / 1e6:,.1f} MB, version {found.version}"],
        ["vector store", f"{found.store}, {found.cache_bytes / 1e6:,.1f} MB"],
        *([name, f"{value:,.4g}"] for name, value in found.measured.items()),
    ]
    print_table(str(folder), ["", ""], rows)


def _warn(text: str) -> None:
    say(text, err=True)


def _verify(folder: Path, *, as_json: bool) -> None:
    from fdakit.errors import FdakitError
    from fdakit.search.table.index_table import IndexTable

    table = IndexTable.open(folder)
    faults = list(table.faults())
    if as_json:
        print_json({"index": str(folder.absolute()), "version": table.version, "faults": faults})
    elif not faults:
        say(f"{folder}: whole; every file and row is what was written")
    if faults:
        raise FdakitError(
            "\n".join([*faults[:_SHOWN], f"{folder.absolute()}: {len(faults)} faults; index the videos again into "])
            + "another folder, or remove the damaged files' videos with `fdakit index --prune`"
        )
