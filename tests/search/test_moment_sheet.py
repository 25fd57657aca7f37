"""The sheet of a search: every moment in its row, its pictures unchanged, words that fit."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from helpers import sample_videos
from numpy.typing import NDArray
from PIL import Image

from fdakit.errors import FdakitError
from fdakit.search.found_moments import FoundMoment
from fdakit.search.results.moment_sheet import MOST, SheetRow, moment_sheet, sheet_rows, write_sheet

COLOURS = {"red": (200, 30, 30), "green": (20, 160, 40), "blue": (30, 60, 200)}


def jpeg(colour: tuple[int, int, int], *, size: tuple[int, int] = (320, 96)) -> bytes:
    written = BytesIO()
    Image.new("RGB", size, colour).save(written, "JPEG", quality=95)
    return written.getvalue()


def row(name: str, *, close: bool = True, picture: bytes | None = None) -> SheetRow:
    shown = jpeg(COLOURS[name]) if picture is None else picture
    return SheetRow(Path(f"/videos/{name}.mp4"), 4.5, 12.0, 0.31, shown, close=close)


def where(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what has a colour."""
    down, right = np.nonzero((np.abs(pixels.astype(int) - colour) < 12).all(-1))
    return int(right.min()), int(down.min()), int(right.max()) + 1, int(down.max()) + 1


def ink(pixels: NDArray[np.uint8], top: int, bottom: int) -> int:
    """How many pixels are not white between two lines."""
    return int((pixels[top:bottom] < 200).any(-1).sum())


def test_each_moment_has_a_row_with_words_above_its_pictures() -> None:
    pixels = np.asarray(moment_sheet([row(name) for name in COLOURS], title="a dog", facts="3 moments"))
    boxes = [where(pixels, colour) for colour in COLOURS.values()]
    assert [(right - left, bottom - top) for left, top, right, bottom in boxes] == [(320, 96)] * 3
    assert len({box[0] for box in boxes}) == 1
    for above, below in pairwise(boxes):
        assert below[1] > above[3] + 20
    for _, top, _, _ in boxes:
        assert ink(pixels, top - 20, top) > 100


def test_what_is_not_close_says_so() -> None:
    sheets = [np.asarray(moment_sheet([row("red", close=close)], title="a dog")) for close in (True, False)]
    _, top, _, _ = where(sheets[0], COLOURS["red"])
    assert ink(sheets[1], top - 20, top) > ink(sheets[0], top - 20, top)
    assert np.array_equal(sheets[0][top:], sheets[1][top:])


def test_odd_pictures_have_room(tmp_path: Path) -> None:
    rows = [row("red", picture=b""), row("green", picture=jpeg(COLOURS["green"], size=(6000, 100))), row("blue")]
    sheet = moment_sheet(rows, title="\u65e5" * 400, facts="x" * 4000)
    left, top, right, bottom = where(np.asarray(sheet), COLOURS["green"])
    assert right - left == sheet.width - 2 * left
    assert bottom - top == pytest.approx(100 * (right - left) / 6000, abs=2)
    assert moment_sheet([], title="nothing").height < 200


def found(path: Path, *, score: float = 0.3, thumbnail: bytes = b"") -> FoundMoment:
    return FoundMoment(path, 0.2, 1.0, score, (0.2, 1.0), 0.1, 1.6, 0.0, thumbnail)


def test_rows_show_frames_of_the_range_or_the_thumbnail_where_the_file_is_gone(tmp_path: Path) -> None:
    path = sample_videos.encode(tmp_path / "film.mp4", sample_videos.numbered(40, width=96))
    kept = jpeg(COLOURS["red"])
    rows = sheet_rows([found(path), found(tmp_path / "gone.mp4", score=0.1, thumbnail=kept)], line=0.2)
    assert [one.close for one in rows] == [True, False]
    with Image.open(BytesIO(rows[0].frames)) as strip:
        pixels = np.asarray(strip)
    tiles = [pixels[:, 98 * place : 98 * place + 96] for place in range(6)]
    assert sample_videos.numbers(np.stack(tiles)) == [6, 10, 13, 16, 20, 23]
    assert rows[1].frames == kept
    assert all(one.close for one in sheet_rows([found(path, score=-1.0)]))


def test_a_sheet_of_very_many_is_no_higher_than_a_jpeg_may_be(tmp_path: Path) -> None:
    rows = sheet_rows([found(tmp_path / "gone.mp4", thumbnail=jpeg(COLOURS["red"], size=(80, 120)))] * (MOST + 9))
    assert len(rows) == MOST
    one, two = (moment_sheet(rows[:count], title="all").height for count in (1, 2))
    assert one + (MOST - 1) * (two - one) < 65_536


def test_the_ending_names_the_format(tmp_path: Path) -> None:
    write_sheet(moment_sheet([row("red")], title="a"), tmp_path / "new" / "sheet.PNG")
    with Image.open(tmp_path / "new" / "sheet.PNG") as sheet:
        assert sheet.format == "PNG"
    with pytest.raises(FdakitError, match=r"ending in \.jpg or \.png"):
        write_sheet(moment_sheet([row("red")], title="a"), tmp_path / "sheet.pdf")
