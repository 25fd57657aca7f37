"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def seeds_option(function: F) -> F:
    """Add `--seeds`, of which `seed_numbers` makes numbers."""
    return click.option(
        "--seeds",
        default="24,42,7",
        show_default=True,
        help="Seeds, separated by commas; or how many, as 3. One seed alone: 24, with its comma.",
    )(function)


def run_jobs_option(function: F) -> F:
    """Add `--jobs`, the number of runs at a time."""
    return click.option(
        "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Runs side by side, a process each."
    )(function)


def set_option(function: F) -> F:
    """Return `--set table.key=value`, any number."""
    text = "Change one key: table.key=value (TOML, else a string; empty: the default). May be repeated."
    return click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=text)(function)


def json_option(function: F) -> F:
    """Return `--json`."""
    text = "Print only JSON on stdout, error messages included."
    return click.option("--json", "as_json", is_flag=True, help=text)(function)


def pictures_option(function: F) -> F:
    """Return `--frames` and `--masks`: how clips are drawn on a page."""
    frames = click.option(
        "--frames", type=click.IntRange(1, 24), help="Frames of each clip on the page, side by side.  [default: 1]"
    )
    masks = click.option("--masks", is_flag=True, help="Show under each frame what the run's mask marks.")
    return frames(masks(function))
