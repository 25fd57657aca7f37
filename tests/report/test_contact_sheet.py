"""Contact sheets, overlay frames and sheets of odd clips: every picture in its place, words that fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray
from PIL import Image

from fdakit.report.contact_sheet import ShownMask, contact_sheet
from fdakit.report.outlier_sheet import OutlierStrip, outlier_sheet, shown_places
from fdakit.report.overlay_frames import overlay_frame
from fdakit.report.text_drawing import fit_text, text_width

GREEN, BLUE = (10, 180, 40), (30, 60, 200)
TIMES = np.array([0.25, 0.75])


def mask(name: str = "one", remarks: tuple[str, ...] = ("", ""), **also: Any) -> ShownMask:
    """Over two frames of 32 x 48 px: first nothing, then all."""
    alpha = np.zeros((2, 32, 48), np.float32)
    alpha[1] = 1
    return ShownMask(name, alpha, remarks, **also)


@pytest.fixture
def frames() -> NDArray[np.uint8]:
    return np.stack([np.full((32, 48, 3), colour, np.uint8) for colour in (GREEN, BLUE)])


def boxes(sheet: Image.Image, colour: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Left top corners of the rectangles of 128 x 192 px in exactly one colour: small frames are enlarged."""
    same = (np.asarray(sheet) == colour).all(-1)
    windows = np.lib.stride_tricks.sliding_window_view(same, (128, 192)).all((-1, -2))
    return [(int(x), int(y)) for y, x in np.argwhere(windows)]


@pytest.mark.integration
def test_each_frame_stands_once_beside_its_masks(frames: NDArray[np.uint8]) -> None:
    sheet = contact_sheet(frames, TIMES, [mask(), mask("two")], title="a.mp4")
    ((x, y),) = boxes(sheet, GREEN)
    ((also_x, below),) = boxes(sheet, BLUE)
    assert (also_x, below > y + 128) == (x, True) or (also_x > x and below == y)
    pixels = np.asarray(sheet)
    step = 192 + 6
    for number in (0, 1):
        left = x + (1 + 2 * number) * step
        assert (pixels[y + 1 : y + 127, left + 1 : left + 191] == 0).all()  # the empty mask
        dimmed = pixels[y : y + 128, left + step : left + step + 192]
        assert dimmed.mean() < frames[0].mean()


def test_what_is_said_of_a_mask_is_on_the_sheet(frames: NDArray[np.uint8]) -> None:
    plain = contact_sheet(frames, TIMES, [mask()], title="a.mp4", facts="2 frames")
    for other in (
        contact_sheet(frames, TIMES, [mask(remarks=("", "cut"))], title="a.mp4", facts="2 frames"),
        contact_sheet(frames, TIMES, [mask(options="threshold=3")], title="a.mp4", facts="2 frames"),
        contact_sheet(frames, TIMES, [mask(title="another")], title="a.mp4", facts="2 frames"),
        contact_sheet(frames, TIMES, [mask()], title="b.mp4", facts="2 frames"),
        contact_sheet(frames, TIMES, [mask()], title="a.mp4", facts="3 frames"),
        contact_sheet(frames, TIMES + 1, [mask()], title="a.mp4", facts="2 frames"),
    ):
        assert other.size != plain.size or np.asarray(other).tobytes() != np.asarray(plain).tobytes()


@pytest.mark.integration
@pytest.mark.parametrize(("count", "masks", "shape"), [(1, 1, (8, 9)), (48, 1, (60, 80)), (5, 4, (2000, 500))])
def test_sheets_of_any_size_stay_of_a_size_to_look_at(count: int, masks: int, shape: tuple[int, int]) -> None:
    shown = [ShownMask(str(n), np.zeros((count, *shape), np.float32), ("",) * count) for n in range(masks)]
    sheet = contact_sheet(np.zeros((count, *shape, 3), np.uint8), np.arange(count, dtype=float), shown, title="a")
    assert max(sheet.size) < 8000
    if count > 1:
        assert 0.3 < sheet.width / sheet.height < 4


def test_a_frame_of_the_film_has_even_sides_and_a_word_for_each_mask() -> None:
    frame = np.full((31, 47, 3), GREEN, np.uint8)
    shown = [ShownMask(name, np.ones((1, 31, 47), np.float32), ("cut",)) for name in ("one", "two")]
    made = overlay_frame(frame, 1.5, shown, 0)
    assert [side % 2 for side in made.shape[:2]] == [0, 0]
    assert (made[: 31 * 4, : 47 * 4] == GREEN).all()
    plain = overlay_frame(frame, 1.5, [ShownMask("one", shown[0].alpha, ("",)), shown[1]], 0)
    strip, half = slice(31 * 4, None), 2 * (47 * 4 + 4)
    assert not np.array_equal(made[strip, :half], plain[strip, :half])
    np.testing.assert_array_equal(made[strip, half:], plain[strip, half:])


@given(st.text(max_size=60), st.integers(0, 200))
def test_a_line_never_takes_more_room_than_it_has(text: str, room: int) -> None:
    cut = fit_text(text, size=14, room=room)
    assert text_width(cut, size=14) <= room
    assert cut in ("", " ".join(text.encode("utf-8", "backslashreplace").decode().split())) or cut.endswith("...")


@given(st.integers(1, 40), st.data())
def test_the_frame_that_matters_is_among_those_shown(count: int, data: st.DataObject) -> None:
    focus = data.draw(st.integers(0, count - 1))
    places = shown_places(count, focus)
    assert focus in places
    assert len(places) == min(6, count)
    assert 0 <= places[0] <= places[-1] < count


def test_odd_clips_stand_abreast_each_with_frames_and_overlays(frames: NDArray[np.uint8]) -> None:
    one = OutlierStrip("a", "emptiest", frames, mask().alpha, TIMES.tolist(), ("", "cut"), 1)
    other = OutlierStrip("b", "fullest", frames[::-1], mask().alpha, TIMES.tolist(), ("", ""), 0)
    sheet = np.asarray(outlier_sheet([one, other], title="odd"))
    greens = (sheet == GREEN).all(-1).any(0)
    starts = np.flatnonzero(np.diff(greens.astype(int)) == 1) + 1
    assert len(starts) == 2
    assert starts[1] - starts[0] > 2 * 128
    taller = outlier_sheet([one] * 6, title="odd")
    assert taller.height > len(sheet)
