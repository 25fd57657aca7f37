"""`fdakit bench decode` and `fdakit bench load`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from fdakit.cli.bench_options import Shown, check_targets, give, names
from fdakit.cli.options import json_option
from fdakit.cli.printing import say, say_progress

F = TypeVar("F", bound=Callable[..., Any])


def _reading_options(function: F) -> F:
    """Return what `decode` and `load` share."""
    shared = (
        click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR|FILES..."),
        click.option("--frames", type=click.IntRange(min=1), default=12, show_default=True, help="Frames per clip."),
        click.option(
            "--rounds", type=click.IntRange(min=1), default=15, show_default=True, help="Interleaved rounds per clip."
        ),
        click.option("--peers", metavar="NAME,...", help="Readers to compare with.  [default: all installed]"),
        click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Plot the ratios to this PNG."),
        click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the JSON to this file."),
        click.option("--markdown", "as_markdown", is_flag=True, help="Print the ratios as a Markdown table."),
        json_option,
    )
    for option in reversed(shared):  # so that --help lists them in this order
        function = option(function)
    return function


@click.command("decode")
@_reading_options
@click.option(
    "--long", "with_long", is_flag=True, help="Also read a two-minute 1080p clip, rendered once into the cache."
)
def decode(paths: tuple[Path, ...], frames: int, rounds: int, peers: str | None, with_long: bool, **told: Any) -> int:
    """Time reading frames at native size, beside other libraries.

    The others are torchcodec, OpenCV, decord and CLIP4Clip's extractor.
    Takes videos and folders of them. One thread each, every read opens its file anew. Peers come with
    pip install "fdakit[bench]".
    """
    from fdakit.bench.decode import bench_decode
    from fdakit.bench.long_clip import make_long_clip
    from fdakit.dataset_files.video_files import find_clips
    from fdakit.system.cache_folder import cache_folder

    check_targets(**told)
    clips = find_clips(paths)
    long_clip = make_long_clip(cache_folder(), progress=_tell_rendering) if with_long else None
    found = bench_decode(
        clips,
        frames=frames,
        rounds=rounds,
        peers=names(peers),
        long_clip=long_clip,
        progress=_Clips(len(clips) + with_long),
    )
    return _give(found, **told)


@click.command("load")
@_reading_options
@click.option("--size", type=click.IntRange(min=8), default=224, show_default=True, help="Pixels per side.")
def load(paths: tuple[Path, ...], frames: int, rounds: int, peers: str | None, size: int, **told: Any) -> int:
    """Time preparing clips for the model, beside other libraries.

    The others are torchcodec + torchvision and CLIP4Clip's extractor.
    Takes videos and folders of them. One thread each; ready means read, resized bicubically and cut to a square.
    fdakit's rows: without a mask, with frame-difference, and from a warm frame store.
    """
    from fdakit.bench.load import bench_load
    from fdakit.catalog import load_catalog
    from fdakit.dataset_files.video_files import find_clips

    check_targets(**told)
    clips = find_clips(paths)
    found = bench_load(
        clips,
        catalog=load_catalog(),
        frames=frames,
        size=size,
        rounds=rounds,
        peers=names(peers),
        progress=_Clips(len(clips)),
    )
    return _give(found, **told)


def _give(found: Mapping[str, Any], **told: Any) -> int:
    from fdakit.bench.plot import write_plot
    from fdakit.bench.tables import clip_table, markdown, notes, ratio_table

    shown = Shown(
        tables=lambda: (clip_table(found), ratio_table(found)),
        notes=lambda: notes(found),
        markdown=lambda: markdown(found),
        draw=lambda plot: write_plot(found, plot),
    )
    give(found, shown, **told)
    if found["stopped"]:
        say(f"stopped after {len(found['clips'])} clips", err=True)
        return 130
    return 0


class _Clips:
    """Tells each clip that is done."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0

    def __call__(self, path: Path) -> None:
        self.done += 1
        say(f"clip {self.done} of {self.total}: {path.name}", err=True)


def _tell_rendering(done: int, total: int) -> None:
    say_progress("rendering the long clip: frame", done, total, every=max(total // 10, 1))
