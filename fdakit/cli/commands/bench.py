"""`fdakit bench`."""

from __future__ import annotations

import click

from fdakit.cli.lazy_group import LazyCommand, LazyGroup

COMMANDS = {
    "batches": LazyCommand(
        "bench_commands.batches:batches",
        "Time putting clips together to batches with fdakit's loader and with torch's DataLoader.",
    ),
    "decode": LazyCommand(
        "bench_commands.reading:decode",
        "Time reading frames at native size with fdakit and with torchcodec, OpenCV, decord and CLIP4Clip's "
        "extractor.",
    ),
    "encode": LazyCommand(
        "bench_commands.encode:encode",
        "Time encoding frames with each fusion against open_clip's own encode_image, with shared weights.",
    ),
    "load": LazyCommand(
        "bench_commands.reading:load",
        "Time preparing clips for the model with fdakit, torchcodec + torchvision and CLIP4Clip's extractor.",
    ),
    "masks": LazyCommand(
        "bench_commands.masks:masks",
        "Test masks on rendered clips with known motion: precision, recall, IoU, and time.",
    ),
    "rank": LazyCommand(
        "bench_commands.rank:rank",
        "Time ranking in both directions: from a matrix, against sorting every row, and from vectors, tile by tile.",
    ),
    "train": LazyCommand(
        "bench_commands.train:train",
        "Time training steps and encoding of RECIPE's model, against the device's matrix products, and its loader.",
    ),
}


@click.group("bench", cls=LazyGroup, lazy=COMMANDS)
def command() -> None:
    """Benchmark against other libraries, in one run, on this machine."""
