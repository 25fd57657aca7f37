"""`fdakit bench masks`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fdakit.cli.bench_options import Shown, check_targets, give, names
from fdakit.cli.options import json_option
from fdakit.cli.printing import say, say_progress


@click.command("masks")
@click.option(
    "--mask",
    "labels",
    multiple=True,
    metavar="'NAME KEY=VALUE ...'",
    help="A mask to test, with options; may be repeated.  [default: all installed]",
)
@click.option("--condition", "chosen", multiple=True, metavar="NAME", help="Only this condition; may be repeated.")
@click.option(
    "--gap",
    type=click.IntRange(min=1),
    metavar="FRAMES",
    help="Set the option gap of masks that have it, unless --mask sets it.",
)
@click.option("--clips", type=click.IntRange(1, 999), default=6, show_default=True, help="Clips per condition.")
@click.option("--frames", type=click.IntRange(1, 40), default=12, show_default=True, help="Frames per clip.")
@click.option("--size", type=click.IntRange(32, 512), default=240, show_default=True, help="Pixels per side, even.")
@click.option(
    "--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Interleaved rounds of timing."
)
@click.option(
    "--peers", metavar="NAME,...", help="OpenCV pipelines to compare with.  [default: all, if OpenCV is installed]"
)
@click.option("--device", default="auto", show_default=True, help="For masks that ask for one: auto, cpu, cuda, mps.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Plot the figures to this PNG.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the JSON to this file.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the tables as Markdown.")
@json_option
def masks(
    labels: tuple[str, ...],
    chosen: tuple[str, ...],
    gap: int | None,
    clips: int,
    frames: int,
    size: int,
    rounds: int,
    peers: str | None,
    device: str,
    **told: Any,
) -> int:
    """Test masks on rendered clips with known motion.

    Gives precision, recall, IoU, and time. The conditions: camera pan, shake, zoom and rotation, flicker, noise,
    coarse encoding, a cut, low contrast, a shadow, and things without texture. Clips are rendered once into the
    cache. Peers come with pip install "fdakit[bench]".
    """
    from fdakit.bench.mask_candidates import read_masks
    from fdakit.bench.mask_clips import find_conditions
    from fdakit.bench.masks import bench_masks
    from fdakit.catalog import load_catalog
    from fdakit.system.cache_folder import cache_folder

    check_targets(**told)
    if size % 2:
        raise click.BadParameter(f"{size}: the encoder takes even sides only; give {size - 1}", param_hint="--size")
    conditions = find_conditions(chosen)
    parts, failed = read_masks(labels, catalog=load_catalog(), gap=gap)
    found = bench_masks(
        parts,
        cache=cache_folder(),
        failed=failed,
        conditions=conditions,
        clips=clips,
        size=size,
        frames=frames,
        rounds=rounds,
        peers=names(peers),
        device=device,
        progress=_tell,
    )
    return _give(found, **told)


def _give(found: Mapping[str, Any], **told: Any) -> int:
    from fdakit.bench.mask_plot import write_mask_plot
    from fdakit.bench.mask_tables import fitted, mask_markdown, mask_notes, mask_tables

    columns = shutil.get_terminal_size().columns
    shown = Shown(
        tables=lambda: (table for whole in mask_tables(found) for table in fitted(whole, columns)),
        notes=lambda: mask_notes(found),
        markdown=lambda: mask_markdown(found),
        draw=lambda plot: write_mask_plot(found, plot),
    )
    give(found, shown, **told)
    if found["stopped"]:
        say(f"stopped after {len(found['measured'])} of {len(found['conditions'])} conditions", err=True)
        return 130
    return 0


def _tell(what: str, done: int, total: int) -> None:
    say_progress(what, done, total, every=1 if what == "condition" else 20)
