"""Markdown in which names, captions and paths stand as they are: nothing in them is markup, HTML or a new line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fdakit.system.terminal_text import printable

_MARKUP = re.compile(r"[\\*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")  # an underscore inside a word is none
_TICK = re.compile("`")
_STARTS = ("#", ">", "+", "=", "-")  # of a line, where they begin a heading, a quotation or a list
_HTML = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_HTML_SIGNS = re.compile(r"[<>]|&(?=[#\w])")


def markdown_text(text: str, *, code: bool = False) -> str:
    """Return text on one line whose signs are shown, not read as Markdown or HTML.

    With `code`, text between backticks is still set as code: for sentences of ours that name a command.
    """
    escaped = _inline(text, code=code)
    return f"\\{escaped}" if escaped.startswith(_STARTS) else escaped


def _inline(text: str, *, code: bool = False) -> str:
    plain = printable(" ".join(text.split()), lines=False)
    escaped = _MARKUP.sub(lambda found: f"\\{found[0]}", plain)
    if not code:
        escaped = _TICK.sub(r"\\`", escaped)
    return _HTML_SIGNS.sub(lambda found: _HTML[found[0]], escaped)


def markdown_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, rules: Sequence[str] | None = None
) -> list[str]:
    """Return the lines of a table; `rules` are the marks under the columns, as `---:`."""
    marks = ["---"] * len(columns) if rules is None else rules
    return [_row(columns), "|" + "|".join(marks) + "|", *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_inline, cells))} |"
