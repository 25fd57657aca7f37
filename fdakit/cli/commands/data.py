"""`fdakit data`."""

from __future__ import annotations

import click

from fdakit.cli.lazy_group import LazyCommand, LazyGroup

COMMANDS = {
    "check": LazyCommand(
        "data_commands.check:command",
        "Check annotations and decode every video of PATH once, to find faults before a training does.",
    ),
    "masks": LazyCommand(
        "data_commands.masks:command",
        "Measure what the masks of RECIPE mark in a whole split, as in training or evaluation.",
    ),
    "prepare": LazyCommand(
        "data_commands.prepare:command",
        "Lay out the folder of data set NAME, say what to download from where, and check what is present.",
    ),
}


@click.group("data", cls=LazyGroup, lazy=COMMANDS)
def command() -> None:
    """Prepare and check videos and annotations; measure masks over a split."""
