"""A report as one HTML file that needs no other: words, tables, histograms and galleries of pictures.

No script and nothing from outside; light or dark as the reader's system is. A picture is stored once, however often
it is shown.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from jinja2 import Template

_MARKS = {"right": "✓", "wrong": "✗"}
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Shot:
    """A picture with its words: JPEG bytes, or None if there is none; `mark` is "right", "wrong" or nothing."""

    label: str
    picture: bytes | None
    mark: str = ""

    def __post_init__(self) -> None:
        if self.mark not in ("", *_MARKS):
            raise ValueError(f"mark {self.mark!r}; wanted one of {', '.join(map(repr, _MARKS))} or ''")


@dataclass(frozen=True)
class Card:
    """One query: what it says, facts of a line each, and pictures side by side."""

    title: str
    facts: tuple[str, ...]
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Gallery:
    """Cards under a heading, with what must be known to read them."""

    title: str
    note: str
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class PageTable:
    """A table: its first column names the rows, the others are numbers and stand to the right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class PageBars:
    """Counted bins, each with its name, drawn as bars with count and share."""

    title: str
    bins: tuple[tuple[str, int], ...]
    note: str = ""

    @property
    def total(self) -> int:
        """Everything counted, at least 1."""
        return max(1, sum(count for _, count in self.bins))

    @property
    def most(self) -> int:
        """The count of the fullest bin, at least 1."""
        return max([1, *(count for _, count in self.bins)])


def page_html(
    title: str,
    *,
    lines: Sequence[str],
    tables: Sequence[PageTable],
    galleries: Sequence[Gallery],
    bars: Sequence[PageBars] = (),
) -> str:
    """Return the page: `title`, `lines` as a list, then tables, bars and galleries in their order.

    All texts are plain.
    """
    return _template().render(
        title=title,
        lines=lines,
        tables=tables,
        bars=bars,
        galleries=galleries,
        pictures=_numbered(galleries),
        marks=_MARKS,
    )


@dataclass(frozen=True)
class _Picture:
    """A picture of a page: its number there, its size in pixels, and its bytes in base64."""

    number: int
    width: int
    height: int
    data: str


def _numbered(galleries: Sequence[Gallery]) -> dict[bytes, _Picture]:
    """Return every picture that a page shows, once, by its bytes, in the order of the page."""
    shots = (shot for gallery in galleries for card in gallery.cards for shot in card.shots)
    found: dict[bytes, _Picture] = {}
    for shot in shots:
        if shot.picture is not None and shot.picture not in found:
            with Image.open(BytesIO(shot.picture)) as opened:
                data = base64.b64encode(shot.picture).decode("ascii")
                found[shot.picture] = _Picture(len(found), opened.width, opened.height, data)
    return found


@cache
def _template() -> Template:
    """Return the page's template; it escapes whatever it is given."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fdakit", "report/templates"),
        autoescape=True,
        finalize=_writable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html.jinja")


def _writable(value: object) -> object:
    """Any text as a page can hold it: file names need not be text, and captions may hold what no page may."""
    if not isinstance(value, str) or hasattr(value, "__html__"):  # what the template's own macros made
        return value
    return _UNPRINTABLE.sub("\ufffd", value.encode("utf-8", "backslashreplace").decode("utf-8"))
