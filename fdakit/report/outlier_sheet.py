"""The outlier clips of a split on one sheet: for each the reason, some frames, and what is marked in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from .contact_sheet import GAP, GUTTER, MARGIN, SMALL, TITLE, WORDS, paste, percent
from .overlays import Alpha, Picture, mask_colour, overlay
from .text_drawing import ALARM, GREY, PAPER, draw_text

_TILE, _SHOWN = 128, 6
_ROW = 14  # approximate number of tiles in a row
_HEAD, _NAME, _CAPTION, _BETWEEN = 66, 44, 24, 22


@dataclass(frozen=True)
class OutlierStrip:
    """One clip: frames uint8 `(t, h, w, 3)`, alpha `(t, h, w)`, a time and remark a frame; `focus` is shown."""

    name: str
    reason: str
    frames: Picture
    alpha: Alpha
    times: Sequence[float]
    remarks: Sequence[str]
    focus: int


def outlier_sheet(strips: Sequence[OutlierStrip], *, title: str, facts: str = "") -> Image.Image:
    """Return all strips, in reading order; of longer clips the six frames around the relevant one."""
    tiles = max(2, min(_SHOWN, max(len(strip.frames) for strip in strips)))  # the text needs the room of two
    across = min(max(1, _ROW // (tiles + 1)), len(strips))
    wide = tiles * _TILE + (tiles - 1) * GAP
    high = _NAME + 2 * _TILE + GAP + _CAPTION + _BETWEEN
    rows = -(-len(strips) // across)
    width = 2 * MARGIN + across * wide + (across - 1) * GUTTER
    sheet = Image.new("RGB", (width, 2 * MARGIN + _HEAD + rows * high), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw_text(draw, (MARGIN, MARGIN + TITLE - 4), title, size=TITLE, room=width - 2 * MARGIN)
    draw_text(draw, (MARGIN, MARGIN + TITLE + SMALL + 6), facts, size=SMALL, colour=GREY, room=width - 2 * MARGIN)
    for place, strip in enumerate(strips):
        row, column = divmod(place, across)
        _strip(sheet, (MARGIN + column * (wide + GUTTER), MARGIN + _HEAD + row * high), strip, wide)
    return sheet


def _strip(sheet: Image.Image, corner: tuple[int, int], strip: OutlierStrip, wide: int) -> None:
    draw, (left, top) = ImageDraw.Draw(sheet), corner
    draw_text(draw, (left, top + WORDS), strip.name, size=WORDS, room=wide)
    draw_text(draw, (left, top + WORDS + SMALL + 5), strip.reason, size=SMALL, colour=GREY, room=wide)
    top += _NAME
    for column, place in enumerate(shown_places(len(strip.frames), strip.focus)):
        frame, alpha, x = strip.frames[place], strip.alpha[place], left + column * (_TILE + GAP)
        paste(sheet, frame, (x, top), (_TILE, _TILE))
        paste(sheet, overlay(frame, alpha, colour=mask_colour(0)), (x, top + _TILE + GAP), (_TILE, _TILE))
        base = top + 2 * _TILE + GAP + SMALL + 2
        said = f"{strip.times[place]:.1f} s  {percent(float(alpha.mean()))}"
        end = draw_text(draw, (x, base), said, size=SMALL, room=_TILE) + 8
        draw_text(draw, (x + end, base), strip.remarks[place], size=SMALL, colour=ALARM, room=_TILE - end)


def shown_places(count: int, focus: int) -> range:
    """Return up to six consecutive indices of `count`, centred on `focus` if possible."""
    first = min(max(0, focus - _SHOWN // 2), max(0, count - _SHOWN))
    return range(first, min(count, first + _SHOWN))
