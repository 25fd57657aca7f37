"""Results on stdout: tables for people, JSON for machines. Nothing that is printed can steer the terminal."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fdakit.system.terminal_text import printable

if TYPE_CHECKING:
    from rich.text import Text

    from fdakit.report.evaluation_report import Report

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
    """Print one JSON document."""
    say(json.dumps(value, indent=2, allow_nan=False, default=str))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> None:
    """Print a table with a title; `numbers` aligns all columns but the first to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    cells = [[printable(cell, lines=False) for cell in row] for row in (columns, *rows)]
    widths = _widths(cells, room=console.width - _GAP * len(columns))
    console.print(Text(printable(title, lines=False), style="bold"), soft_wrap=True)
    if widths is None:
        say("\n".join(_records(cells)))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for place, (column, width) in enumerate(zip(columns, widths, strict=True)):
        table.add_column(
            _plain(column), justify="right" if numbers and place else "left", width=width, overflow="fold"
        )
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console.print(table)


def _widths(cells: Sequence[Sequence[str]], *, room: int) -> list[int] | None:
    """Columns' widths in which no word is broken, short columns first given all they want; None without the room."""
    from rich.cells import cell_len

    columns = list(zip(*cells, strict=True))
    widths = [max((cell_len(word) for cell in column for word in cell.split()), default=1) for column in columns]
    wanted = [max(1, *map(cell_len, column)) for column in columns]
    free = room - sum(widths)
    if free < 0:
        return None
    order = sorted(range(len(columns)), key=lambda place: wanted[place] - widths[place])
    for done, place in enumerate(order):
        more = min(wanted[place] - widths[place], free // (len(order) - done))
        widths[place] += more
        free -= more
    return widths


def _records(cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield each row as lines `column: cell` below its first cell."""
    columns, *rows = cells
    for first, *others in rows:
        yield f"\n{first}"
        yield from (f"  {column}: {cell}" for column, cell in zip(columns[1:], others, strict=True) if cell)
    yield ""


def _plain(text: str) -> Text:
    """Text of a cell or a title: no markup, nothing that steers the terminal."""
    from rich.text import Text

    return Text(printable(text, lines=False))


def print_report(report: Report, folder: object) -> None:
    """Print both directions, every control, and the notes to be read with them."""
    from fdakit.report.evaluation_report import COLUMNS
    from fdakit.report.report_tables import DIRECTIONS, cells, report_notes, report_rows

    rows = report_rows(report)
    for direction, title in DIRECTIONS.items():
        shown = [[label, *cells(metrics)] for way, label, metrics in rows if way == direction]
        print_table(f"{report.name}: {title}", ["mask", *COLUMNS], shown, numbers=True)
    for note in report_notes(report):
        say(note)
    if folder is not None:
        say(f"report: {folder}/report.md")
        say(f"queries as pictures: fdakit report {shlex.quote(str(folder))} --to html --out page.html")
