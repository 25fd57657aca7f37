"""Results on stdout: tables for people, JSON for machines. Nothing that is printed can steer the terminal."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fdakit.report.tables import COLUMNS, DIRECTIONS, cells, report_notes, report_rows
from fdakit.system.terminal_text import printable

if TYPE_CHECKING:
    from rich.text import Text

_GAP = 3  # spaces that a column takes besides its cells


def say(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Print a line or several, with visible escapes for what would steer the terminal."""
    stream = sys.stderr if err else sys.stdout
    if stream is not None:  # the process was started without it
        stream.write(printable(text) + ("\n" if nl else ""))
        stream.flush()


def say_progress(what: str, done: int, total: int, *, every: int) -> None:
    """Print `what 3 of 9` on stderr: over the line before on a terminal, else each `every` and the last on a line."""
    text = printable(f"{what} {done} of {total}", lines=False)
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(f"\r{text}" + ("\n" if done == total else ""))
        sys.stderr.flush()
    elif done % every == 0 or done == total:
        say(text, err=True)


def print_json(value: Any) -> None:
    """One JSON document."""
    say(json.dumps(value, indent=2, allow_nan=False, default=str))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> None:
    """A table with a title; `numbers` puts all columns but the first to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=_plain(title), title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    least = [_longest_word([column, *(row[place] for row in rows)]) for place, column in enumerate(columns)]
    # Numbers are not broken where the terminal has room for them all; beyond its width nothing would be shown.
    whole = numbers and sum(least) + _GAP * len(least) <= console.width
    for place, column in enumerate(columns):
        right = numbers and place
        table.add_column(
            _plain(column),
            justify="right" if right else "left",
            overflow="fold",
            min_width=least[place] if right and whole else None,
        )
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console.print(table)


def _longest_word(cells: Sequence[str]) -> int:
    return max((len(word) for cell in cells for word in cell.split()), default=0)


def _plain(text: str) -> Text:
    """Text of a cell or a title: no markup, nothing that steers the terminal."""
    from rich.text import Text

    return Text(printable(text, lines=False))


def print_report(report: Mapping[str, Any], folder: object) -> None:
    """Both directions, every control, and what must be read beside them."""
    rows = report_rows(report)
    for direction, title in DIRECTIONS.items():
        shown = [[label, *cells(metrics)] for way, label, metrics in rows if way == direction]
        print_table(f"{report['name']}: {title}", ["mask", *COLUMNS], shown, numbers=True)
    for note in report_notes(report):
        say(note)
    if folder is not None:
        say(f"report: {folder}/report.md")
        say(f"queries as pictures: fdakit report {shlex.quote(str(folder))} --to html --out page.html")
