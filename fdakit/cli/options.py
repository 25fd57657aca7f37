"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def set_option(function: F) -> F:
    """`--set table.key=value`, any number."""
    text = "Change one key: table.key=value (TOML, else a string; nothing: the default). May be repeated."
    return click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=text)(function)


def json_option(function: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout and nothing else.")(function)
