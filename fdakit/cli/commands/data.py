"""`fdakit data`."""

from __future__ import annotations

import click

from fdakit.cli.lazy_group import LazyCommand, LazyGroup

COMMANDS = {
    "check": LazyCommand(
        "data_commands.check:command",
        "Check annotations and decode every video of PATH once.",
    ),
    "masks": LazyCommand(
        "data_commands.masks:command",
        "Measure what the masks of RECIPE mark in a whole split.",
    ),
    "prepare": LazyCommand(
        "data_commands.prepare:command",
        "Lay out the folder of data set NAME and check what is present.",
    ),
}


@click.group("data", cls=LazyGroup, lazy=COMMANDS)
def command() -> None:
    """Prepare and check videos and annotations; measure masks."""
