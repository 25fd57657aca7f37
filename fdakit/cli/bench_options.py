"""What the commands of `fdakit bench` that compare with peers share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from fdakit.system.atomic_files import write_text

from .printing import print_json, print_table, say


def names(listed: str | None) -> list[str] | None:
    """Return `a,b` as a list; None if the option was left out."""
    return None if listed is None else [name.strip() for name in listed.split(",") if name.strip()]


def check_targets(*, plot: Path | None, out: Path | None, **others: Any) -> None:
    """Raise an error for files that cannot be written, before anything is measured."""
    from fdakit.bench.plot import check_plot

    if plot is not None:
        check_plot()
    for option, path in (("--plot", plot), ("--out", out)):
        if path is not None and not path.absolute().parent.is_dir():
            raise click.BadParameter(f"{path.absolute().parent}: no such folder; make it first", param_hint=option)


@dataclass(frozen=True)
class Shown:
    """How a benchmark's document is told to people: its tables, its notes, as Markdown, and as a PNG."""

    tables: Callable[[], Iterable[Any]]
    notes: Callable[[], Iterable[str]]
    markdown: Callable[[], str]
    draw: Callable[[Path], None]


def give(
    found: Mapping[str, Any], shown: Shown, *, plot: Path | None, out: Path | None, as_json: bool, as_markdown: bool
) -> None:
    """Write and print what was asked for."""
    try:
        write_json(found, out)
        if plot is not None:
            shown.draw(plot)
    finally:  # what was measured is not lost with the file
        _print(found, shown, as_json=as_json, as_markdown=as_markdown)


def _print(found: Mapping[str, Any], shown: Shown, *, as_json: bool, as_markdown: bool) -> None:
    if as_json:
        print_json(found)
    elif as_markdown:
        say(shown.markdown())
    else:
        for table in shown.tables():
            print_table(table.title, table.columns, table.rows, numbers=True)
        for note in shown.notes():
            say(note)


def write_json(found: Mapping[str, Any], out: Path | None) -> None:
    """Write the document of `--out`, if requested."""
    if out is not None:
        write_text(out, json.dumps(found, indent=2, allow_nan=False) + "\n")
