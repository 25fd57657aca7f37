"""Text from files for a terminal: control sequences are displayed instead of executed.

Captions, ids, file names and names in weights come from anyone. An escape sequence in them may set the window's
title, clear the screen or hide a line, and a bidirectional override may disguise a name.
"""

from __future__ import annotations

import re

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, embeddings, overrides and isolates
_ODD = f"[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u2028\u2029\ufeff{_BIDI}\ud800-\udfff]"
_STEERING = re.compile(_ODD)
_STEERING_OR_BREAK = re.compile(f"{_ODD}|[\\t\\n]")


def printable(text: object, *, lines: bool = True) -> str:
    r"""Return text in which what steers a terminal stands as a visible escape, as in `\x1b[2J`.

    Control characters (C0 and C1), bidirectional controls, line separators, byte order marks and lone surrogates
    (bytes of names that are not UTF-8) become escapes. Line feeds and tabs stay where `lines` is true, and are
    escaped elsewhere: in cells, names and one-line messages. Text without any of them is returned unchanged.
    """
    return (_STEERING if lines else _STEERING_OR_BREAK).sub(_escaped, str(text))


def _escaped(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]
