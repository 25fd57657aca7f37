"""Text on images, with Pillow's built-in font."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from math import ceil
from typing import Any

from PIL import ImageDraw, ImageFont

INK, GREY, PALE, PAPER, ALARM = "#1a1a1a", "#6e6e6e", "#e4e4e4", "#ffffff", "#c0261c"
_SPACE = 0.3  # of the size; the font's own space is far narrower after a digit
_CUT = "..."


def draw_text(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    *,
    size: int,
    colour: str = INK,
    room: float | None = None,
) -> float:
    """Draw one line from its left end on the base line, and return its width in px.

    What does not fit into `room` px is cut, and ends in dots.
    """
    left, base = place
    fitting = fit_text(text, size=size, room=room)
    for word in fitting.split():
        draw.text((left, base), word, fill=colour, font=_font(size), anchor="ls")
        left = ceil(left + text_width(word, size=size) + _SPACE * size)
    return text_width(fitting, size=size)


def text_width(text: str, *, size: int) -> float:
    """Return the width of a line in px."""
    words = text.split()
    letters = sum(float(_font(size).getlength(word)) for word in words)
    return letters + ceil(_SPACE * size) * max(0, len(words) - 1)


def fit_text(text: str, *, size: int, room: float | None = None) -> str:
    """Return one drawable line, cut to `room` px. File names need not be text."""
    line = " ".join(text.encode("utf-8", "backslashreplace").decode("utf-8").split())
    if room is None or text_width(line, size=size) <= room:
        return line
    wide = bisect_right(range(len(line) + 1), room, key=lambda count: text_width(line[:count] + _CUT, size=size))
    return line[: wide - 1].rstrip() + _CUT if wide > 1 else ""


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)
