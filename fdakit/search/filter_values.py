"""What conditions compare: the names, which operators each allows, and how its values are written.

| name | meaning | values |
|---|---|---|
| path | of the file, absolute | text |
| name | of the file, with its ending | text |
| folder | that holds the file, absolute | text |
| date | of the file's last change, local time | 2024, 2024-05, 2024-05-31, 2024-05-31T14:30, ...T14:30:05+02:00 |
| duration | of the video | seconds: 90, 90s, 2m, 1h, 1h30m |
| width, height | of its upright frames | pixels |
| coverage | mean share of the frames that the mask marks | 0 to 1, or 5% |

`like` ignores case, and `%` stands for any characters, `_` for one; `glob` minds case, and knows `*`, `?` and
`[a-z]`. For `=` and `!=`, paths and folders are made absolute. A date is the whole of its year, month, day, minute or
second: `date = 2024-05` is any time in that month.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

Value = str | float


class ValueFault(Exception):  # noqa: N818 - it becomes part of an error
    """Why a text is no value of a name."""


@dataclass(frozen=True)
class Column:
    """What a name allows."""

    operators: tuple[str, ...]
    expected: str
    read: Callable[[str], Value]


_NUMBER = r"\d+(?:\.\d*)?(?:e[+-]?\d+)?"
_TIMED = re.compile(rf"(?:({_NUMBER})h)?(?:({_NUMBER})m(?:in)?)?(?:({_NUMBER})s)?", re.I | re.A)
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?(Z|[+-]\d\d:\d\d)?)?)?)?",
    re.I | re.A,
)
_YEARS = range(1971, 2200)  # what every system can convert, and nanoseconds hold
_LARGEST = 1e9


def _seconds(text: str) -> float:
    if re.fullmatch(_NUMBER, text, re.I | re.A):
        return float(text)
    parts = _TIMED.fullmatch(text)
    if not text or parts is None:
        raise ValueFault(f"{text!r} is no duration; write seconds as 90 or 90s, or 2m, 1h, 1h30m")
    return sum(float(part) * unit for part, unit in zip(parts.groups(), (3600, 60, 1), strict=True) if part)


def _pixels(text: str) -> float:
    found = re.fullmatch(r"(\d+)(?:px)?", text, re.I | re.A)
    if found is None:
        raise ValueFault(f"{text!r} is no number of pixels; write it as 1280")
    return float(found[1])


def _share(text: str) -> float:
    found = re.fullmatch(rf"({_NUMBER})(%?)", text, re.I | re.A)
    if found is None or not 0 <= (share := float(found[1]) / (100 if found[2] else 1)) <= 1:
        raise ValueFault(f"{text!r} is no share; write it as 0.05 or 5%")
    return share


def _date(text: str) -> str:
    try:
        period(text)
    except ValueError as error:
        raise ValueFault(
            f"{text!r} is no date ({error}); write 2024, 2024-05, 2024-05-31 or 2024-05-31T14:30"
        ) from error
    return text.upper().replace(" ", "T")


def _text(text: str) -> str:
    return text


_ORDERED = ("=", "!=", "<", "<=", ">", ">=")
_WORDS = ("=", "!=", "like", "glob")
COLUMNS = {
    "path": Column(_WORDS, "a text such as '%party%'", _text),
    "name": Column(_WORDS, "a text such as 'party.mp4'", _text),
    "folder": Column(_WORDS, "a text such as '%/party'", _text),
    "date": Column(_ORDERED, "a date such as 2024-05-31", _date),
    "duration": Column(_ORDERED, "a number of seconds such as 90, 90s, 2m or 1h", _seconds),
    "width": Column(_ORDERED, "a number of pixels", _pixels),
    "height": Column(_ORDERED, "a number of pixels", _pixels),
    "coverage": Column(_ORDERED, "a share such as 0.05 or 5%", _share),
}


def read_value(name: str, text: str) -> Value:
    """Return the value of a name that a text states. Raises `ValueFault`."""
    value = COLUMNS[name].read(text)
    if isinstance(value, float) and not (math.isfinite(value) and value <= _LARGEST):
        raise ValueFault(f"{text!r} is too large")
    return value


def format_value(name: str, value: Value) -> str:
    """Return the text that `read_value` reads as this value, quoted where it must be."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if COLUMNS[name].read is _date:
        return value
    return "'" + value.replace("'", "''") + "'"


def period(text: str, zone: tzinfo | None = None) -> tuple[datetime, datetime]:
    """Return the first moment of a date and the first one after it, in `zone`, or in the system's if None.

    Raises `ValueError` if it is none, or outside the years 1971 to 2199.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError("it has another form")
    given = [int(part) for part in found.groups()[:6] if part is not None]
    if given[0] not in _YEARS:
        raise ValueError(f"years from {_YEARS[0]} to {_YEARS[-1]} are read")
    first = datetime(*given, *[1, 1][len(given) - 1 :])  # type: ignore[arg-type]
    after = _following(first, len(given))
    if found[7]:
        own = datetime.fromisoformat(f"2000-01-01T00:00:00{found[7].upper().replace('Z', '+00:00')}").tzinfo
        return first.replace(tzinfo=own), after.replace(tzinfo=own)
    if zone is not None:
        return first.replace(tzinfo=zone), after.replace(tzinfo=zone)
    return first.astimezone(), after.astimezone()


def _following(first: datetime, given: int) -> datetime:
    """Return the beginning of the next year, month, day, minute or second, whichever is the last one `given`."""
    if given == 1:
        return first.replace(year=first.year + 1)
    if given == 2:
        return (first + timedelta(days=32)).replace(day=1)
    return first + {3: timedelta(days=1), 5: timedelta(minutes=1), 6: timedelta(seconds=1)}[given]
