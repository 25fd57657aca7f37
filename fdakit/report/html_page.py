"""A report as one HTML file that needs no other: words, tables, histograms and galleries of pictures.

No script and nothing from outside; light or dark as the reader's system is. A picture is stored once, however often
it is shown.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from io import BytesIO

from PIL import Image

from .html_style import STYLE

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
    album = _Album()
    shown = [_gallery(gallery, album) for gallery in galleries]
    body = [
        f"<h1>{_text(title)}</h1>\n",
        "<ul>\n" + "".join(f"<li>{_text(line)}</li>\n" for line in lines) + "</ul>\n" if lines else "",
        *(_table(table) for table in tables),
        *(_bars(one) for one in bars),
        album.html(),  # before what shows it, so that a page still being read is not empty
        *shown,
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{_text(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "".join(body)
        + "</main>\n</body>\n</html>\n"
    )


@dataclass
class _Album:
    """The pictures of a page, each once."""

    numbers: dict[bytes, int] = field(default_factory=dict)

    def shown(self, picture: bytes, *, label: str) -> str:
        """Return a reference to the picture, in the words of `label` for who does not see it."""
        number = self.numbers.setdefault(picture, len(self.numbers))
        width, height = _size(picture)
        return (
            f'<svg class="picture" viewBox="0 0 {width} {height}" role="img" aria-label="{_text(label)}">'
            f'<use href="#picture-{number}"/></svg>'
        )

    def html(self) -> str:
        """Return all pictures, out of sight."""
        parts = []
        for picture, number in self.numbers.items():
            width, height = _size(picture)
            data = base64.b64encode(picture).decode("ascii")
            parts.append(
                f'<image id="picture-{number}" width="{width}" height="{height}" '
                f'href="data:image/jpeg;base64,{data}"/>\n'
            )
        if not parts:
            return ""
        # Not `display: none`, with which some browsers draw none of them.
        return f'<svg class="album" width="0" height="0" aria-hidden="true"><defs>\n{"".join(parts)}</defs></svg>\n'


def _size(picture: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(picture)) as opened:
        return opened.size


def _table(table: PageTable) -> str:
    head = "".join(f'<th scope="col">{_text(column)}</th>' for column in table.columns)
    rows = "".join(
        f'<tr><th scope="row">{_text(row[0])}</th>'
        + "".join(f"<td>{_text(cell)}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in table.rows
    )
    return (
        f'<section>\n<h2>{_text(table.title)}</h2>\n<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table></div>\n{_note(table.note)}</section>\n"
    )


def _bars(bars: PageBars) -> str:
    counts = [count for _, count in bars.bins]
    total, most = max(1, sum(counts)), max([1, *counts])
    rows = "".join(
        f'<tr><th scope="row">{_text(name)}</th>'
        f'<td class="bar"><div style="width:{100 * count / most:.2f}%"></div></td>'
        f"<td>{count:,}</td><td>{count / total:.1%}</td></tr>\n"
        for name, count in bars.bins
    )
    return (
        f'<section>\n<h2>{_text(bars.title)}</h2>\n<table class="bars">\n<tbody>\n{rows}</tbody>\n</table>\n'
        f"{_note(bars.note)}</section>\n"
    )


def _gallery(gallery: Gallery, album: _Album) -> str:
    cards = "".join(_card(card, album) for card in gallery.cards)
    return (
        f"<section>\n<h2>{_text(gallery.title)}</h2>\n{_note(gallery.note)}"
        f'<div class="cards">\n{cards}</div>\n</section>\n'
    )


def _card(card: Card, album: _Album) -> str:
    facts = "".join(f"<p>{_text(fact)}</p>\n" for fact in card.facts)
    shots = "".join(_shot(shot, album) for shot in card.shots)
    return f'<article>\n<h3>{_text(card.title)}</h3>\n{facts}<div class="shots">\n{shots}</div>\n</article>\n'


def _shot(shot: Shot, album: _Album) -> str:
    sign = f'<b title="{shot.mark}">{_MARKS[shot.mark]}</b> ' if shot.mark else ""
    kind = f' class="{shot.mark}"' if shot.mark else ""
    said = f"{shot.label} ({shot.mark})" if shot.mark else shot.label
    picture = '<div class="none">no picture</div>'
    if shot.picture is not None:
        picture = album.shown(shot.picture, label=said)
    return f"<figure{kind}>{picture}<figcaption>{sign}{_text(shot.label)}</figcaption></figure>\n"


def _note(note: str) -> str:
    return f'<p class="note">{_text(note)}</p>\n' if note else ""


def _text(text: str) -> str:
    """Any text as HTML: file names need not be text, and captions may hold characters that no page may."""
    shown = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return escape(_UNPRINTABLE.sub("�", shown))
