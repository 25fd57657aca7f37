"""Markdown in which names, captions and paths stand as they are: nothing in them is markup, HTML or a new line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fdakit.system.terminal_text import printable

_MARKUP = re.compile(r"[\\*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")  # an underscore inside a word is none
_TICK = re.compile("`")
_CODE = re.compile("(`[^`]+`)")
_STARTS = ("#", ">", "+", "=", "-")  # of a line, where they begin a heading, a quotation or a list
_HTML = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_HTML_SIGNS = re.compile(r"[<>]|&(?=[#\w])")


def markdown_text(text: str, *, code: bool = False) -> str:
    """Return text on one line whose signs are shown, not read as Markdown or HTML.

    With `code`, text between backticks is still set as code: for sentences of ours that name a command.
    """
    escaped = "".join(_pieces(text, code=code))
    return f"\\{escaped}" if escaped.startswith(_STARTS) else escaped


def markdown_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, rules: Sequence[str] | None = None, code: bool = False
) -> list[str]:
    """Return the lines of a table; `rules` are the marks under the columns, as `---:`; `code` as in `markdown_text`.

    A pipe in a cell is shown, in code too, and never ends the cell.
    """
    marks = ["---"] * len(columns) if rules is None else rules
    return [_row(columns, code=code), "|" + "|".join(marks) + "|", *(_row(row, code=code) for row in rows)]


def _row(cells: Sequence[str], *, code: bool) -> str:
    return f"| {' | '.join(_cell(cell, code=code) for cell in cells)} |"


def _cell(text: str, *, code: bool) -> str:
    """Return a cell: a table takes a backslash before a pipe away before it reads code, where none would escape."""
    pieces = _pieces(text, code=code)
    return "".join(piece.replace("|", "\\|") if place % 2 else piece for place, piece in enumerate(pieces))


def _pieces(text: str, *, code: bool) -> list[str]:
    """Return escaped text and code as it stands, in turns; text comes first and last."""
    plain = printable(" ".join(text.split()), lines=False)
    pieces = _CODE.split(plain) if code else [plain]
    return [piece if place % 2 else _escaped(piece) for place, piece in enumerate(pieces)]


def _escaped(text: str) -> str:
    escaped = _TICK.sub(r"\`", _MARKUP.sub(lambda found: f"\\{found[0]}", text))
    return _HTML_SIGNS.sub(lambda found: _HTML[found[0]], escaped)
