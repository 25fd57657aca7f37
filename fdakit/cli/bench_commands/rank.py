"""`fdakit bench rank`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fdakit.cli.bench_options import check_targets, write_json
from fdakit.cli.options import json_option
from fdakit.cli.printing import print_json, print_table, say, say_progress


@click.command("rank")
@click.option(
    "--captions", type=click.IntRange(min=1), default=27_763, show_default=True, help="Rows (default: as in MSVD)."
)
@click.option(
    "--videos", type=click.IntRange(min=1), default=670, show_default=True, help="Columns (default: as in MSVD)."
)
@click.option("--width", type=click.IntRange(min=1), default=512, show_default=True, help="Dimensions of a vector.")
@click.option(
    "--streamed",
    type=click.IntRange(min=0),
    default=100_000,
    show_default=True,
    help="Captions, and videos, ranked from vectors; 0: none.",
)
@click.option("--rounds", type=click.IntRange(min=1), default=15, show_default=True, help="Interleaved rounds.")
@click.option("--device", default="auto", show_default=True, help="For vectors: auto, cpu, cuda, cuda:1.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the JSON to this file.")
@json_option
def rank(
    captions: int, videos: int, width: int, streamed: int, rounds: int, device: str, out: Path | None, as_json: bool
) -> int:
    """Time ranking in both directions, from a matrix and from vectors.

    From a matrix, against sorting every row; from vectors, tile by tile.
    """
    from fdakit.bench.rank import bench_rank

    check_targets(plot=None, out=out)
    found = bench_rank(captions, videos, width=width, streamed=streamed, rounds=rounds, device=device, progress=_tell)
    try:
        write_json(found, out)
    finally:  # what was measured is not lost with the file
        if as_json:
            print_json(found)
        else:
            _print(found)
    return 0 if found["rounds"] == found["rounds_asked"] else 130


def _print(found: Mapping[str, Any]) -> None:
    rows = [
        [one["name"], f"{one['median']:.3f}", f"{one['low']:.3f}-{one['high']:.3f}", f"{one['ratio']:.1f}"]
        for one in found["timed"]
    ]
    title = f"both directions of {found['captions']:,} captions x {found['videos']:,} videos"
    print_table(title, ["what", "seconds", "middle half", "times fdakit's"], rows, numbers=True)
    say(f"medians of {found['rounds']} interleaved rounds; threads: {found['threads']}; {found['machine']}")
    streamed = found["streamed"]
    if streamed:
        memory = streamed["peak_memory_mb"]
        told = "" if memory is None else f", {memory:,.0f} MB at its highest, vectors and libraries included"
        say(
            f"from vectors: {streamed['captions']:,} x {streamed['videos']:,} x {streamed['width']} in "
            f"{streamed['seconds']:.0f} s on {found['device']}{told}"
        )


def _tell(done: int, total: int) -> None:
    say_progress("round", done, total, every=5)
