"""`fdakit bench encode`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from fdakit.cli.options import json_option, set_option
from fdakit.cli.printing import print_json, print_table, say, say_progress


@click.command("encode")
@click.argument("recipe", required=False)
@click.option("--model", default="ViT-B-16", show_default=True, help="open_clip's model, if no RECIPE is given.")
@click.option(
    "--fusion",
    "fusions",
    multiple=True,
    metavar="'NAME KEY=VALUE ...'",
    help="A fusion to time, with options; may be repeated.  [default: alpha-conv, motion-tokens keep_share=0.3]",
)
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True, help="Frames encoded together.")
@click.option("--rounds", type=click.IntRange(min=1), default=15, show_default=True, help="Interleaved rounds.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), default="auto", show_default=True)
@set_option
@json_option
def encode(
    recipe: str | None,
    model: str,
    fusions: tuple[str, ...],
    batch: int,
    rounds: int,
    device: str,
    precision: str,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Time encoding with each fusion against open_clip's encode_image.

    All have the same weights.
    Uses the encoder of RECIPE, else --model; weights are random, since speed does not depend on them.
    """
    from fdakit.bench.encode import FUSIONS, bench_encode, read_bench
    from fdakit.catalog import load_catalog

    recipes = read_bench(recipe, model=model, fusions=fusions or FUSIONS, settings=settings, catalog=load_catalog())
    found = bench_encode(recipes, batch=batch, rounds=rounds, device=device, precision=precision, progress=_tell)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if found["rounds"] < found["rounds_asked"]:
        say(f"stopped after {found['rounds']} of {found['rounds_asked']} rounds", err=True)
        return 130
    return 0


def _tell(done: int, total: int) -> None:
    say_progress("round", done, total, every=5)


def _print(found: Mapping[str, Any]) -> None:
    rows = [
        [
            row["name"],
            f"{1000 * row['median']:.1f}",
            f"{1000 * row['low']:.1f}-{1000 * row['high']:.1f}",
            f"{row['ratio']:.3f}",
            f"{1 / row['ratio']:.2f}",
        ]
        for row in found["timed"]
    ]
    title = f"encoding {found['batch']} frames of {found['size']} px, {found['encoder']}"
    print_table(title, ["what", "ms a batch", "middle half", "time", "times faster"], rows, numbers=True)
    say(
        f"medians of {found['rounds']} interleaved rounds; {found['device']}, threads: {found['threads']}, "
        f"precision {found['precision']}, torch {found['torch']}"
    )
    for row in found["timed"]:
        if row["difference"] is not None:
            said = f"differ by up to {row['difference']:.1g}" if row["difference"] else "are bit-equal"
            say(f"at alpha 0.5 the vectors of {row['name']} and open_clip {said}")
