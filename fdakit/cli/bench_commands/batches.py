"""`fdakit bench batches`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fdakit.cli.bench_options import Shown, check_targets, give
from fdakit.cli.options import json_option
from fdakit.cli.printing import say_progress

AT_LEAST_ONE = click.IntRange(min=1)


@click.command("batches")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR|FILES...")
@click.option("--frames", type=AT_LEAST_ONE, default=12, show_default=True, help="Frames per clip.")
@click.option("--size", type=click.IntRange(min=8), default=224, show_default=True, help="Pixels per side.")
@click.option("--batch", type=AT_LEAST_ONE, default=32, show_default=True, help="Clips per batch.")
@click.option("--workers", type=AT_LEAST_ONE, default=2, show_default=True, help="Processes that decode.")
@click.option("--rounds", type=AT_LEAST_ONE, default=15, show_default=True, help="Interleaved rounds.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the JSON to this file.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a Markdown table.")
@json_option
def batches(
    paths: tuple[Path, ...], frames: int, size: int, batch: int, workers: int, rounds: int, **told: Any
) -> int:
    """Time making batches of clips, beside torch's DataLoader.

    Takes videos and folders of them. Clips of a warm frame store in one process, in processor seconds; and the wait
    for the first batch of clips that workers decode.
    """
    from fdakit.bench.batches import bench_batches
    from fdakit.catalog import load_catalog
    from fdakit.dataset_files.video_files import find_clips

    check_targets(plot=None, **told)
    found = bench_batches(
        find_clips(paths),
        catalog=load_catalog(),
        frames=frames,
        size=size,
        batch=batch,
        workers=workers,
        rounds=rounds,
        progress=_tell,
    )
    _give(found, **told)
    return 0 if found["rounds"] == found["rounds_asked"] else 130


def _give(found: Mapping[str, Any], **told: Any) -> None:
    from fdakit.bench.batch_tables import batch_notes, batch_table, markdown

    shown = Shown(
        tables=lambda: (batch_table(found),),
        notes=lambda: batch_notes(found),
        markdown=lambda: markdown(found),
        draw=lambda plot: None,
    )
    give(found, shown, plot=None, **told)


def _tell(done: int, total: int) -> None:
    say_progress("round", done, total, every=5)
