"""A contact sheet of a video's masks: each sampled frame with its masks, time, coverage and remarks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .overlays import Alpha, Picture, mask_colour, mask_image, overlay
from .text_drawing import ALARM, GREY, PALE, PAPER, draw_text

MARGIN, GAP, GUTTER = 24, 6, 36
TITLE, WORDS, SMALL = 24, 17, 14
_HEAD, _HEADING, _OPTIONS, _CAPTION = 62, 26, 18, 30
_SMALLEST, _LARGEST = 112, 320  # px of a tile's shorter side
_WIDEST = 2400  # px of a row
_SHAPE = 1.4  # preferred ratio of the sheet's width to its height


@dataclass(frozen=True)
class ShownMask:
    """One mask of the displayed frames: alpha float32 `(t, h, w)` and a remark a frame.

    `name` is unique among all displayed masks; `title` and `options` are displayed.
    """

    name: str
    alpha: Alpha
    remarks: tuple[str, ...]
    title: str = ""
    options: str = ""
    coverage: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "coverage", self.alpha.mean(axis=(1, 2), dtype=np.float64))


def contact_sheet(
    frames: Picture, times: NDArray[np.float64], masks: Sequence[ShownMask], *, title: str, facts: str = ""
) -> Image.Image:
    """Return a sheet of frames uint8 `(t, h, w, 3)` at `times (t,)`, each with every mask and overlay.

    Time runs downwards, then on in the next column; the number of columns gives the sheet about the aspect of a
    landscape page. `title` and `facts` are at the top.
    """
    tile = _tile(frames.shape[1:3], count=1 + 2 * len(masks))
    block = tile[0] * (1 + 2 * len(masks)) + GAP * 2 * len(masks), tile[1] + _CAPTION
    heading = _HEADING + (_OPTIONS if any(mask.options for mask in masks) else 0)
    columns = _columns(len(frames), block)
    rows = math.ceil(len(frames) / columns)
    width = 2 * MARGIN + columns * block[0] + (columns - 1) * GUTTER
    sheet = Image.new("RGB", (width, 2 * MARGIN + _HEAD + heading + rows * block[1]), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw_text(draw, (MARGIN, MARGIN + TITLE - 4), title, size=TITLE, room=width - 2 * MARGIN)
    draw_text(draw, (MARGIN, MARGIN + TITLE + SMALL + 6), facts, size=SMALL, colour=GREY, room=width - 2 * MARGIN)
    top = MARGIN + _HEAD
    for column in range(columns):
        left = MARGIN + column * (block[0] + GUTTER)
        _headings(draw, (left, top), masks, tile)
        for row, place in enumerate(range(column * rows, min((column + 1) * rows, len(frames)))):
            corner = left, top + heading + row * block[1]
            _block(sheet, corner, frames[place], float(times[place]), masks, place, tile)
    return sheet


def percent(share: float) -> str:
    """Return a share of 1 as a percentage."""
    return f"{share:.1%}"


def _tile(shape: tuple[int, ...], *, count: int) -> tuple[int, int]:
    """Return width and height of a frame on the sheet."""
    height, width = shape
    room = (_WIDEST - GAP * (count - 1)) / count
    scale = min(float(enlargement(shape)), _LARGEST / min(height, width), room / width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def enlargement(shape: tuple[int, ...]) -> int:
    """Return how many times larger frames `(h, w)` are shown, so that text fits below small ones."""
    return math.ceil(_SMALLEST / min(shape))


def _columns(count: int, block: tuple[int, int]) -> int:
    def away(columns: int) -> float:
        width = columns * (block[0] + GUTTER)
        return abs(math.log(width / (math.ceil(count / columns) * block[1] + _HEAD + _HEADING) / _SHAPE))

    return min(range(1, count + 1), key=away)


def _headings(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], masks: Sequence[ShownMask], tile: tuple[int, int]
) -> None:
    left, top = corner
    draw_text(draw, (left, top + WORDS), "frame", size=WORDS, room=tile[0])
    for number, mask in enumerate(masks):
        x = left + (1 + 2 * number) * (tile[0] + GAP)
        draw.rectangle((x, top + 4, x + 12, top + 16), fill=mask_colour(number))
        room = 2 * tile[0] + GAP
        draw_text(draw, (x + 19, top + WORDS), mask.title or mask.name, size=WORDS, room=room - 19)
        draw_text(draw, (x, top + WORDS + SMALL + 5), mask.options, size=SMALL, colour=GREY, room=room)


def _block(
    sheet: Image.Image,
    corner: tuple[int, int],
    frame: Picture,
    time: float,
    masks: Sequence[ShownMask],
    place: int,
    tile: tuple[int, int],
) -> None:
    """Draw one sampled frame, its masks, and the line of text below."""
    draw, (left, top) = ImageDraw.Draw(sheet), corner
    base = top + tile[1] + SMALL + 3
    paste(sheet, frame, (left, top), tile)
    draw_text(draw, (left, base), f"{time:.2f} s", size=SMALL, room=tile[0])
    for number, mask in enumerate(masks):
        x, alpha, colour = left + (1 + 2 * number) * (tile[0] + GAP), mask.alpha[place], mask_colour(number)
        paste(sheet, mask_image(alpha), (x, top), tile)
        paste(sheet, overlay(frame, alpha, colour=colour), (x + tile[0] + GAP, top), tile)
        draw.rectangle((x, top, x + tile[0] - 1, top + tile[1] - 1), outline=GREY)
        covered, end = float(mask.coverage[place]), x + 2 * tile[0] + GAP - 1
        said = draw_text(draw, (x, base), percent(covered), size=SMALL)
        draw_text(
            draw, (x + said + 10, base), mask.remarks[place], size=SMALL, colour=ALARM, room=tile[0] - said - 10
        )
        bar = x + tile[0] + GAP, base - 8, end, base - 4
        draw.rectangle(bar, fill=PALE)
        if covered:
            draw.rectangle((*bar[:2], bar[0] + covered * (end - bar[0]), bar[3]), fill=colour)


def paste(sheet: Image.Image, picture: Picture, corner: tuple[int, int], tile: tuple[int, int]) -> None:
    """Paste an image, grey `(h, w)` or RGB `(h, w, 3)`, onto the sheet, scaled to the tile's (width, height)."""
    shown = Image.fromarray(picture)
    if shown.size != tile:
        grows = tile[0] > shown.width
        shown = shown.resize(tile, Image.Resampling.NEAREST if grows else Image.Resampling.LANCZOS)
    sheet.paste(shown, corner)
