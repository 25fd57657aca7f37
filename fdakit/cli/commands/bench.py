"""`fdakit bench`."""

from __future__ import annotations

import click

from fdakit.cli.lazy_group import LazyCommand, LazyGroup

COMMANDS = {
    "batches": LazyCommand(
        "bench_commands.batches:batches",
        "Time making batches of clips, beside torch's DataLoader.",
    ),
    "decode": LazyCommand(
        "bench_commands.reading:decode",
        "Time reading frames at native size, beside other libraries.",
    ),
    "encode": LazyCommand(
        "bench_commands.encode:encode",
        "Time encoding with each fusion against open_clip's encode_image.",
    ),
    "load": LazyCommand(
        "bench_commands.reading:load",
        "Time preparing clips for the model, beside other libraries.",
    ),
    "masks": LazyCommand(
        "bench_commands.masks:masks",
        "Test masks on rendered clips with known motion.",
    ),
    "rank": LazyCommand(
        "bench_commands.rank:rank",
        "Time ranking in both directions, from a matrix and from vectors.",
    ),
    "search": LazyCommand(
        "bench_commands.search:search",
        "Time vector stores on synthetic vectors, beside FAISS and Lance.",
    ),
    "train": LazyCommand(
        "bench_commands.train:train",
        "Time training and encoding of RECIPE's model, and its loader.",
    ),
}


@click.group("bench", cls=LazyGroup, lazy=COMMANDS)
def command() -> None:
    """Benchmark against other libraries, in one run, on this machine."""
