"""`fdakit data check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fdakit.cli.annotation_tables import print_annotations, print_unloaded
from fdakit.cli.options import json_option, set_option
from fdakit.cli.printing import print_json, say
from fdakit.cli.scan_tables import print_scan, scan_facts

if TYPE_CHECKING:
    from fdakit.dataset_tools.video_sources import VideoCollection


@click.command("check")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--jobs", type=click.IntRange(min=1), help="Reading processes.  [default: one per core]")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds before a file counts as unreadable; 0: no limit.",
)
@click.option(
    "--ledger", type=click.Path(path_type=Path), help="Ledger file.  [default: the recipe's, or the cache's]"
)
@click.option("--column", default="path", show_default=True, help="Column with the video file in a table.")
@click.option("--again", is_flag=True, help="Check every file again, changed or not.")
@set_option
@json_option
def command(
    paths: tuple[str, ...],
    jobs: int | None,
    time_limit: float,
    ledger: Path | None,
    column: str,
    again: bool,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Check annotations and decode every video of PATH once.

    This finds faults before a training does.
    PATH is a folder, a list of files (.txt, or a table as the manifest data set reads), a video, or a recipe. For a
    recipe's data set the annotations are checked first: counts, missing captions and videos, and what splits share.
    The results of decoding go into a ledger, which a training reads before its first step; a later check reads only
    files that have changed. Findings are results, not errors: the exit code is 0.
    """
    from fdakit.catalog import load_catalog
    from fdakit.dataset_files.damage_ledger import Ledger
    from fdakit.dataset_tools.video_scan import scan_videos, usable_cores
    from fdakit.dataset_tools.video_sources import find_collection
    from fdakit.system.terminal import ProgressBar

    bar = ProgressBar()
    try:
        corpus = find_collection(
            paths,
            catalog=load_catalog(),
            settings=settings,
            column=column,
            ledger=ledger,
            progress=bar.progressed,
        )
        annotations = _audited(corpus)
        if not as_json:
            bar.close()
            _print_annotations(annotations)
        checked = scan_videos(
            corpus.paths,
            ledger=Ledger(corpus.ledger),
            jobs=jobs or usable_cores(),
            time_limit=time_limit,
            again=again,
            progress=bar.progressed,
        )
    except KeyboardInterrupt:
        say("\nstopped; what was found is kept, and the same command goes on from there", err=True)
        return 130
    finally:
        bar.close()
    if as_json:
        print_json({"annotations": annotations, **scan_facts(checked, corpus.ledger)})
    else:
        print_scan(checked, corpus.ledger, absent_told=bool(annotations))
    return 0


def _audited(corpus: VideoCollection) -> list[dict[str, Any]]:
    from fdakit.dataset_tools.annotation_audit import audit_facts, audit_splits

    return [
        {"recipe": recipe, **audit_facts(audit_splits(loaded.splits)), "unloaded": dict(loaded.reasons)}
        for recipe, loaded in corpus.annotations.items()
    ]


def _print_annotations(annotations: list[dict[str, Any]]) -> None:
    for facts in annotations:
        print_annotations(f"annotations of {facts['recipe']}", facts)
        print_unloaded(facts["unloaded"])
