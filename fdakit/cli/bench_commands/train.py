"""`fdakit bench train`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from fdakit.cli.options import json_option, set_option
from fdakit.cli.printing import print_json, print_table, say, say_progress


@click.command("train")
@click.argument("recipe")
@click.option("--batch", type=click.IntRange(min=2), help="Pairs a step.  [default: the recipe's]")
@click.option("--steps", type=click.IntRange(min=1), default=10, show_default=True, help="Steps that are timed.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--precision", help="As train.precision.  [default: the recipe's]")
@click.option("--loader/--no-loader", default=True, show_default=True, help="Also read the recipe's own videos.")
@set_option
@json_option
def train(
    recipe: str,
    batch: int | None,
    steps: int,
    device: str,
    precision: str | None,
    loader: bool,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Time training and encoding of RECIPE's model, and its loader.

    Against the device's matrix products.
    The model has random weights and trains on noise in the recipe's shapes, so no videos are needed; with its own
    videos the loader is timed too.
    """
    from fdakit.bench.train import bench_train
    from fdakit.catalog import load_catalog
    from fdakit.recipe.validation import read_recipe

    chosen = {"batch_size": batch, "precision": precision}
    own = [f"train.device={device}", *(f"train.{key}={value}" for key, value in chosen.items() if value is not None)]
    found = bench_train(
        read_recipe(recipe, settings=[*settings, *own], catalog=load_catalog()),
        steps=steps,
        loader=loader,
        progress=lambda what, done, total: say_progress(what, done, total, every=5),
    )
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: Mapping[str, Any]) -> None:
    rows = [
        [name, f"{row['seconds']:.3g}", f"{row['clips_a_second']:.3g}", f"{row['tflop']:.3g}", f"{row['share']:.1%}"]
        for name, row in ((name, found[name]) for name in ("train", "encode"))
    ]
    title = f"{found['recipe']}: {found['batch']} clips of {found['frames']} frames of {found['size']} px"
    columns = ["what", "seconds a batch", "clips/s", "TFLOP a batch", "share of the matrix rate"]
    print_table(title, columns, rows, numbers=True)
    say(f"matrix products in the same rounds: {found['matrix_tflops']:.3g} TFLOP/s; operations counted once")
    say(
        f"medians of {found['rounds']} rounds; {found['device']}, threads: {found['threads']}, precision "
        f"{found['precision']}, torch {found['torch']}; peak memory {found['peak_memory'] / 1e9:.2f} GB"
    )
    if "loader" in found:
        say(_loader(found["loader"]))


def _loader(found: Mapping[str, Any]) -> str:
    if "fault" in found:
        return f"the loader was not timed: {found['fault']}"
    core, cores = found["clips_a_second_a_core"], found["cores"]
    return (
        f"the loader: {core['first']:.3g} clips/s a core the first time, {core['again']:.3g} later, so this "
        f"training needs {cores['first']:.2g} cores, later {cores['again']:.2g}; with {found['workers']} workers "
        f"{found['waiting']:.1%} of {found['steps']} steps was spent waiting for data"
    )
