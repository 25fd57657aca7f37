"""Results on stdout: tables for people, JSON for machines."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import click

from fdakit.report.tables import COLUMNS, DIRECTIONS, cells, report_notes, report_rows

_GAP = 3  # spaces that a column takes besides its cells


def print_json(value: Any) -> None:
    """One JSON document."""
    click.echo(json.dumps(value, indent=2, allow_nan=False, default=str))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> None:
    """A table with a title; `numbers` puts all columns but the first to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=_escaped(title), title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    least = [_longest_word([column, *(row[place] for row in rows)]) for place, column in enumerate(columns)]
    # Numbers are not broken where the terminal has room for them all; beyond its width nothing would be shown.
    whole = numbers and sum(least) + _GAP * len(least) <= console.width
    for place, column in enumerate(columns):
        right = numbers and place
        table.add_column(
            column,
            justify="right" if right else "left",
            overflow="fold",
            min_width=least[place] if right and whole else None,
        )
    for row in rows:
        table.add_row(*(_escaped(cell) for cell in row))
    console.print(table)


def _longest_word(cells: Sequence[str]) -> int:
    return max((len(word) for cell in cells for word in cell.split()), default=0)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def print_report(report: Mapping[str, Any], folder: object) -> None:
    """Both directions, every control, and what must be read beside them."""
    rows = report_rows(report)
    for direction, title in DIRECTIONS.items():
        shown = [[label, *cells(metrics)] for way, label, metrics in rows if way == direction]
        print_table(f"{report['name']}: {title}", ["mask", *COLUMNS], shown, numbers=True)
    for note in report_notes(report):
        click.echo(note)
    if folder is not None:
        click.echo(f"report: {folder}/report.md")
        click.echo(f"queries as pictures: fdakit report {shlex.quote(str(folder))} --to html --out page.html")
