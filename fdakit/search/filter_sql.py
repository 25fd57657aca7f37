"""Conditions as SQL for the Lance table of an index.

Every value is checked when the condition is read, and every text ends up in an SQL string or a pattern in which all
of its characters are escaped. A `not` is carried inwards to the comparisons, as Lance takes a time that doubles with
every `not` around another.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo

import numpy as np

from .filter_values import period
from .filters import And, Comparison, Condition, Not, parse_filter

_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017
_ANY, _NEVER = ".", r"[^\s\S]"
_CLASS = re.compile(r"\[(!?)(\]?[^\]]*)\]")


def where_sql(text: str, zone: tzinfo | None = None) -> str:
    """Return the SQL of a condition given as text, such as `duration > 1m`. Raises `FdakitError` where it is wrong.

    Dates are of the time zone, or of the system's if it is None.
    """
    return filter_sql(parse_filter(text), zone)


def filter_sql(condition: Condition, zone: tzinfo | None = None) -> str:
    """Return the SQL of a condition."""
    return _sql(condition, zone, negated=False)


def _sql(condition: Condition, zone: tzinfo | None, *, negated: bool) -> str:
    if isinstance(condition, Not):
        return _sql(condition.term, zone, negated=not negated)
    if isinstance(condition, Comparison):
        return _comparison(condition, zone, negated=negated)
    word = " AND " if isinstance(condition, And) != negated else " OR "
    return "(" + word.join(_sql(term, zone, negated=negated) for term in condition.terms) + ")"


def _comparison(one: Comparison, zone: tzinfo | None, *, negated: bool) -> str:
    if isinstance(one.value, float):
        operator = _OPPOSITE[one.operator] if negated else one.operator
        return f"{one.name} {operator} {_number(one.name, one.value)}"
    if one.name == "date":
        return _in_period(_OPPOSITE[one.operator] if negated else one.operator, one.value, zone)
    if one.operator == "!=":
        negated = not negated
    pattern = _pattern(one.name, "=" if one.operator == "!=" else one.operator, one.value)
    return ("NOT " if negated else "") + f"regexp_like(path, {quoted(pattern)})"


def _number(name: str, value: float) -> str:
    if name in ("width", "height"):
        return str(int(value))
    return repr(float(np.float32(value)) if name == "coverage" else value)


def _in_period(operator: str, date: str, zone: tzinfo | None) -> str:
    first, after = (_nanoseconds(moment) for moment in period(date, zone))
    return {
        "=": f"(modified >= {first} AND modified < {after})",
        "!=": f"(modified < {first} OR modified >= {after})",
        "<": f"modified < {first}",
        "<=": f"modified < {after}",
        ">": f"modified >= {after}",
        ">=": f"modified >= {first}",
    }[operator]


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(seconds=1) * 1_000_000_000


def _pattern(name: str, operator: str, text: str) -> str:
    """Return the regular expression of the paths that a comparison of text means."""
    separator = re.escape(os.sep)
    if operator == "=" and name != "name":
        text = os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 - as the paths of an index are
        if name == "folder":
            text = text.rstrip(os.sep)
    own = rf"[^{separator}]" if name == "name" else _ANY
    translate: Callable[[str, str], str] = {"=": _exactly, "like": _like, "glob": _glob}[operator]
    body = translate(text, own)
    around = {
        "path": (r"\A", r"\z"),
        "name": (rf"(?:\A|{separator})", r"\z"),
        "folder": (r"\A", rf"{separator}[^{separator}]*\z"),
    }[name]
    return f"(?{'is' if operator == 'like' else 's'}){around[0]}{body}{around[1]}"


def _exactly(text: str, own: str) -> str:
    return "".join(_literal(sign, own) for sign in text)


def _like(text: str, own: str) -> str:
    return "".join({"%": f"{own}*", "_": own}.get(sign) or _literal(sign, own) for sign in text)


def _glob(text: str, own: str) -> str:
    parts, place = [], 0
    while place < len(text):
        match = _CLASS.match(text, place) if text[place] == "[" else None
        parts.append(_one_of(match[2], own, excluded=bool(match[1])) if match else _wild(text[place], own))
        place = match.end() if match else place + 1
    return "".join(parts)


def _wild(sign: str, own: str) -> str:
    return {"*": f"{own}*", "?": own}.get(sign) or _literal(sign, own)


def _one_of(members: str, own: str, *, excluded: bool) -> str:
    """Return the expression of `[members]`: single characters, and ranges such as a-z."""
    found, place = "", 0
    while place < len(members):
        last = members[place + 2] if members[place + 1 : place + 2] == "-" and place + 2 < len(members) else ""
        if not last:
            found += _escaped(members[place])
        elif members[place] <= last:
            found += f"{_escaped(members[place])}-{_escaped(last)}"
        place += 3 if last else 1
    if not found:
        return own if excluded else _NEVER
    chosen = f"[{'^' if excluded else ''}{found}]"
    return chosen if own == _ANY else f"[{chosen}&&{own}]"


def _literal(sign: str, own: str) -> str:
    """Return the expression of one character; a name has no separator in it."""
    return _NEVER if sign == os.sep and own != _ANY else _escaped(sign)


def _escaped(text: str) -> str:
    """Return text as the regular expressions of Rust read it, in and outside of brackets."""
    return re.sub(r"([\\.+*?()|\[\]{}^$#&~-])", r"\\\1", text)


def quoted(text: str) -> str:
    """Return text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"
