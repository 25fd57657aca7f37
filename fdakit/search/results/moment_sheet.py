"""The sheet of a search: each moment as a row of frames, with its score, its range and its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw

from fdakit.errors import FdakitError, VideoError
from fdakit.report.contact_sheet import MARGIN, SMALL, TITLE, WORDS
from fdakit.report.text_drawing import ALARM, GREY, PALE, PAPER, draw_text
from fdakit.search.found_moments import FoundMoment
from fdakit.system.atomic_files import write_bytes
from fdakit.values import VideoRef
from fdakit.video.thumbnails import thumbnail

from .times import clock

MOST = 200
"""Moments on a sheet: a JPEG cannot be higher than 65,535 px."""

_HEIGHT, _FRAMES = 108, 6
_WIDEST = 6 * 192 + 10  # px of a row
_LEAST = 640
_HEAD, _LINE, _BETWEEN = 62, 24, 22
_QUALITY = 88
_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}


@dataclass(frozen=True)
class SheetRow:
    """One moment: its frames side by side as JPEG, its range in seconds, and whether it is close."""

    path: Path
    start: float
    end: float
    score: float
    frames: bytes
    close: bool = True


def sheet_rows(found: Sequence[FoundMoment], line: float | None = None) -> list[SheetRow]:
    """Return the rows of the first `MOST` moments: six frames of each, or its thumbnail where its file is gone.

    Moments with a score below `line` are not close.
    """
    return [
        SheetRow(one.path, one.start, one.end, one.score, _frames(one), close=line is None or one.score >= line)
        for one in found[:MOST]
    ]


def moment_sheet(rows: Sequence[SheetRow], *, title: str, facts: str = "") -> Image.Image:
    """Return the sheet of the rows, in their order, below `title` and `facts`."""
    strips = [_picture(row.frames) for row in rows]
    width = 2 * MARGIN + max([_LEAST, *(strip.width for strip in strips)])
    high = [_LINE + strip.height + _BETWEEN for strip in strips]
    sheet = Image.new("RGB", (width, 2 * MARGIN + _HEAD + sum(high)), PAPER)
    draw, room = ImageDraw.Draw(sheet), width - 2 * MARGIN
    draw_text(draw, (MARGIN, MARGIN + TITLE - 4), title, size=TITLE, room=room)
    draw_text(draw, (MARGIN, MARGIN + TITLE + SMALL + 6), facts, size=SMALL, colour=GREY, room=room)
    top = MARGIN + _HEAD
    for number, (row, strip, height) in enumerate(zip(rows, strips, high, strict=True), 1):
        _words(draw, (MARGIN, top + WORDS), row, number, room)
        sheet.paste(strip, (MARGIN, top + _LINE))
        top += height
    return sheet


def write_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a sheet as JPEG or PNG, by the ending of its path. Raises `FdakitError` if it cannot be written."""
    form = sheet_format(path)
    written = BytesIO()
    sheet.save(written, form, quality=_QUALITY)
    write_bytes(path, written.getvalue())


def sheet_format(path: Path) -> str:
    """Return the format that a path's ending names. Raises `FdakitError` if it is none."""
    if path.suffix.lower() not in _FORMATS:
        raise FdakitError(f"{path}: a sheet is written as JPEG or PNG; give it a name ending in .jpg or .png")
    return _FORMATS[path.suffix.lower()]


def _frames(one: FoundMoment) -> bytes:
    try:
        return thumbnail(VideoRef(one.path.name, one.path, one.start, one.end), height=_HEIGHT, frames=_FRAMES)
    except VideoError:
        return one.thumbnail


def _picture(jpeg: bytes) -> Image.Image:
    """Return an image at most as wide as a row; a pale one if there is none."""
    if not jpeg:
        return Image.new("RGB", (_HEIGHT * 16 // 9, _HEIGHT), PALE)
    with Image.open(BytesIO(jpeg)) as opened:
        picture = opened.convert("RGB")
    if picture.width > _WIDEST:
        picture = picture.resize((_WIDEST, max(1, round(picture.height * _WIDEST / picture.width))))
    return picture


def _words(draw: ImageDraw.ImageDraw, place: tuple[float, float], row: SheetRow, number: int, room: float) -> None:
    """Write the line above a row: number, score, range, name, and then the folder."""
    left, base = place
    for text, size, colour in (
        (f"{number}.", WORDS, GREY),
        (f"{row.score:.3f}", WORDS, ""),
        ("" if row.close else "not close", SMALL, ALARM),
        (f"{clock(row.start)} to {clock(row.end)}", WORDS, ""),
        (row.path.name, WORDS, ""),
        (str(row.path.parent), SMALL, GREY),
    ):
        if text:
            chosen = {"colour": colour} if colour else {}
            left += draw_text(draw, (left, base), text, size=size, room=place[0] + room - left, **chosen) + WORDS
