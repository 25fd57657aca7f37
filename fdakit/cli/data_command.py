"""`fdakit data`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .data_masks_command import command as masks
from .options import json_option, set_option
from .printing import print_json, print_table

if TYPE_CHECKING:
    from fdakit.data.ledger import Finding
    from fdakit.experiment.checking import Checked
    from fdakit.experiment.corpus import Corpus


@click.group("data")
def command() -> None:
    """Look after videos and annotations."""


command.add_command(masks)


@command.command("check")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--jobs", type=click.IntRange(min=1), help="Reading processes.  [default: one a core]")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds for a file before it counts as unreadable; 0: any time.",
)
@click.option(
    "--ledger", type=click.Path(path_type=Path), help="Ledger file.  [default: the recipe's, or the cache's]"
)
@click.option("--column", default="path", show_default=True, help="Column of the video file in a table.")
@click.option("--again", is_flag=True, help="Look at every file anew, changed or not.")
@set_option
@json_option
def check(
    paths: tuple[str, ...],
    jobs: int | None,
    time_limit: float,
    ledger: Path | None,
    column: str,
    again: bool,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Decode every video of PATH once: which are damaged, before a training meets them.

    PATH is a folder, a list of files (.txt, or a table as the manifest data set reads), a video, or a recipe. What
    is found goes into a ledger, which a training asks before its first step; a later check looks only at files that
    have changed. Damaged files are results: the exit code is 0.
    """
    from fdakit.builtin.observers.console import Console
    from fdakit.catalog import load_catalog
    from fdakit.data.ledger import Ledger
    from fdakit.experiment.checking import check_videos, usable_cores
    from fdakit.experiment.corpus import find_corpus

    console = Console(every=10.0)
    try:
        corpus = find_corpus(
            paths,
            catalog=load_catalog(),
            settings=settings,
            column=column,
            ledger=ledger,
            progress=console.progressed,
        )
        checked = check_videos(
            corpus.paths,
            ledger=Ledger(corpus.ledger),
            jobs=jobs or usable_cores(),
            time_limit=time_limit,
            again=again,
            progress=console.progressed,
        )
    except KeyboardInterrupt:
        click.echo("\nstopped; what was found is kept, and the same command goes on from there", err=True)
        return 130
    finally:
        console.run_finished({})  # puts the bar away
    if as_json:
        print_json(_as_json(checked, corpus))
    else:
        _print(checked, corpus)
    return 0


def _as_json(checked: Checked, corpus: Corpus) -> dict[str, Any]:
    return {
        "videos": [_row(path, finding) for path, finding in checked.findings.items()],
        "summary": {
            "videos": len(checked.findings),
            **checked.counts(),
            "unchanged": checked.known,
            "ledger": str(corpus.ledger.absolute()),
        },
    }


def _row(path: Path, finding: Finding) -> Mapping[str, Any]:
    return {
        "path": str(path),
        "status": finding.status,
        "reason": finding.reason,
        "frames": finding.decoded,
        "promised": finding.promised,
        "duration": finding.duration,
        "codec": finding.codec,
        "width": finding.width,
        "height": finding.height,
        "rotation": finding.rotation,
    }


def _print(checked: Checked, corpus: Corpus) -> None:
    total, counts = len(checked.findings), checked.counts()
    meanings = {"ok": "every frame decodes", "repaired": "some frames decode", "unreadable": "no frame decodes"}
    rows = [[status, str(count), meanings[status]] for status, count in counts.items()]
    print_table("videos", ["status", "count", "meaning"], [*rows, ["all", str(total), ""]])
    bad = [(path, finding) for path, finding in checked.findings.items() if finding.status != "ok"]
    if bad:
        shown = [[_shown(path), f.status, f"{f.decoded} of {f.promised}", _shown(f.reason)] for path, f in bad]
        print_table("damaged", ["file", "status", "frames", "why"], shown)
    if checked.known:
        click.echo(f"{checked.known} of them had not changed since an earlier check, and were not read again")
    click.echo(f"ledger: {corpus.ledger.absolute()}")


def _shown(text: object) -> str:
    """A file name need not be text; what is none is shown by its code."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")
