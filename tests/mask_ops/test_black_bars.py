"""Black bars: found on any side, blurred by resizing and coding, and kept out of masks that know a camera."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from fdakit.builtin.masks.compensated_difference import COMPENSATED_DIFFERENCE
from fdakit.builtin.masks.flow import FLOW
from fdakit.builtin.masks.motion_vectors import MOTION_VECTORS
from fdakit.mask_ops import Masks, inside_bars
from fdakit.mask_ops.black_bars import Area, active_area
from fdakit.plugin import Clip, keyed_rng
from fdakit.testing.building import build_part

SIDE = 160
Frames = NDArray[np.uint8]


def shaken(count: int, *, bars: tuple[int, int, int, int] = (0, 0, 0, 0), noise: float = 1.0) -> tuple[Frames, Any]:
    """A textured disk over a ground seen by a shaking camera, `(count, SIDE, SIDE, 3)`, and where the disk is.

    `bars` are black rows above and below, and columns left and right.
    """
    rng = keyed_rng(0, "shaken")
    ground = 130 + 25 * _cloth(rng, 2 * SIDE)
    thing = 170 + 30 * _cloth(rng, SIDE)
    films, truth = [], []
    for place in range(count):
        down, right = rng.integers(20, 27, 2)
        picture = ground[down : down + SIDE, right : right + SIDE].copy()
        y, x = 60 + place % 3, 40 + 3 * place
        away = np.hypot(np.arange(SIDE)[:, None] - y, np.arange(SIDE) - x)
        inside = away < 18
        picture[inside] = np.roll(thing, (y, x), axis=(0, 1))[inside]
        films.append(picture + rng.normal(0, noise, picture.shape))
        truth.append(inside)
    film, where = np.clip(np.rint(np.stack(films)), 0, 255).astype(np.uint8), np.stack(truth)
    top, bottom, left, right = bars
    hidden = np.ones((SIDE, SIDE), np.bool_)
    hidden[top : SIDE - bottom, left : SIDE - right] = False
    film[:, hidden] = 12
    where[:, hidden] = False
    return film[..., None].repeat(3, axis=3), where


def _cloth(rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    cloth = gaussian_filter(rng.standard_normal((side, side)), 2)
    return np.asarray(cloth / cloth.std())


@settings(max_examples=30)
@given(*(st.integers(0, 30),) * 4)
def test_bars_are_found_on_any_side_and_nothing_where_there_is_none(
    top: int, bottom: int, left: int, right: int
) -> None:
    film, _ = shaken(2, bars=(top, bottom, left, right))
    area = active_area(film)
    margin = round(3 * SIDE / 224)
    wanted = [bar + margin if bar else 0 for bar in (top, bottom, left, right)]
    assert [area.top, SIDE - area.bottom, area.left, SIDE - area.right] == wanted


def test_what_all_frames_do_not_have_is_no_bar_and_a_black_film_is_none() -> None:
    film, _ = shaken(3, bars=(20, 0, 0, 0))
    film[1, 5, :40] = 200  # a subtitle
    assert active_area(film).top == 5 + round(3 * SIDE / 224)
    assert active_area(np.zeros_like(film)) == Area(0, SIDE, 0, SIDE)


def test_a_blurred_rim_belongs_to_its_bar() -> None:
    film, _ = shaken(2, bars=(20, 0, 0, 0))
    film[:, 17:20, ::2] = 30  # what an encoder leaves along an edge: uneven, and dark
    assert active_area(film).top == 20 + round(3 * SIDE / 224)


def lines(*bars: tuple[int, int, int], odd: int = 0, other: int = 0) -> Frames:
    """A bright picture `(1, 224, 224, 3)` under `bars`, each (rows, level, level of every second pixel).

    `odd` pixels of the first bar's first line have the level `other`.
    """
    film = keyed_rng(0, "lines").integers(100, 200, (1, 224, 224, 1)).astype(np.uint8).repeat(3, axis=3)
    row = 0
    for count, level, second in bars:
        film[:, row : row + count, ::2], film[:, row : row + count, 1::2] = level, second
        row += count
    film[:, 0, :odd] = other
    return film


@pytest.mark.parametrize(
    ("film", "wanted"),
    [
        (lines((20, 40, 40)), 23),  # three lines of margin
        (lines((20, 41, 41)), 0),  # not black
        (lines((20, 10, 22)), 23),
        (lines((20, 10, 23)), 0),  # not even
        (lines((20, 30, 30), odd=2, other=200), 23),  # one pixel in a hundred does not count
        (lines((20, 30, 30), odd=3, other=200), 0),
        (lines((20, 30, 30), odd=2, other=0), 23),
        (lines((20, 30, 30), odd=3, other=0), 0),
        (lines((20, 12, 12), (1, 64, 64)), 24),  # a blurred rim
        (lines((20, 12, 12), (1, 65, 65)), 23),
        (lines((20, 12, 12), (8, 64, 64)), 31),
        (lines((20, 12, 12), (9, 64, 64)), 23),  # too wide for a rim: a dark picture
        (lines((109, 12, 12)), 112),
        (lines((110, 12, 12)), 0),  # more than half
    ],
)
def test_what_counts_as_a_bar_at_224_px_is_told_to_the_level_and_to_the_line(film: Frames, wanted: int) -> None:
    assert active_area(film) == Area(wanted, 224, 0, 224)
    assert active_area(film[:, ::-1]) == Area(0, 224 - wanted, 0, 224)
    turned = film.transpose(0, 2, 1, 3)
    assert active_area(turned) == Area(0, 224, wanted, 224)
    assert active_area(turned[:, :, ::-1]) == Area(0, 224, 0, 224 - wanted)


def test_a_mask_is_given_the_picture_alone_and_its_bars_stay_unmarked() -> None:
    film, _ = shaken(4, bars=(16, 16, 0, 8))
    rows = np.array([[40.0, 30.0, 16.0, 16.0, 1.0, 0.0]], np.float32)
    clip = Clip(
        "v",
        film,
        np.arange(4.0),
        {1: film.copy()},
        motion_vectors=(rows,) * 4,
        luma={0: film[..., 0], 1: film[..., 0]},
    )
    seen: list[tuple[Clip, float]] = []

    def whole(inner: Clip, scale: float) -> Masks:
        seen.append((inner, scale))
        return Masks(np.ones(inner.frames.shape[:3], np.float32), ("a",) * 4)

    found = inside_bars(clip, whole)
    (inner, scale) = seen[0]
    area = active_area(film)
    cut = (slice(None), slice(area.top, area.bottom), slice(area.left, area.right))
    assert scale == SIDE / 224
    assert np.array_equal(inner.frames, film[cut]) and np.array_equal(inner.neighbours[1], film[cut])
    assert np.array_equal(inner.luma[1], film[..., 0][cut])
    assert inner.motion_vectors is not None
    assert inner.motion_vectors[0].tolist() == [[40 - area.left, 30 - area.top, 16, 16, 1, 0]]
    assert found.remarks == ("a",) * 4
    assert found.alpha[cut].min() == 1
    assert found.alpha.sum() == found.alpha[cut].sum()


@pytest.mark.integration
@pytest.mark.parametrize("bars", [(20, 20, 0, 0), (0, 0, 24, 24)], ids=["letterbox", "pillarbox"])
@pytest.mark.parametrize("name", ["compensated-difference", "flow"])
def test_the_edges_of_bars_are_not_marked_where_the_camera_shakes(name: str, bars: tuple[int, int, int, int]) -> None:
    part = {"compensated-difference": COMPENSATED_DIFFERENCE, "flow": FLOW}[name]
    mask = build_part(part, **({"gap": 1} if name == "flow" else {}))

    def masked(bars: tuple[int, int, int, int]) -> tuple[float, Any]:
        film, truth = shaken(10, bars=bars)
        places = np.array([3, 5, 7])
        clip = Clip("v", film[places], places / 25.0, {gap: film[places + gap] for gap in mask.needs.neighbours})
        alpha = mask(clip) > 0.5
        where = truth[places]
        return (alpha & where).sum() / (alpha | where).sum(), alpha

    plain, _ = masked((0, 0, 0, 0))
    boxed, alpha = masked(bars)
    assert boxed > plain - 0.12
    hidden = np.ones((SIDE, SIDE), np.bool_)
    top, bottom, left, right = bars
    hidden[top : SIDE - bottom, left : SIDE - right] = False
    assert not alpha[:, hidden].any()


def test_vectors_of_bars_have_no_vote_on_the_camera() -> None:
    """Blocks of 8 px all of which move with the camera, but for those of the bars, which are most, and for one."""
    film, _ = shaken(1, bars=(30, 30, 0, 0), noise=0)
    y, x = np.mgrid[4:SIDE:8, 4:SIDE:8].reshape(2, -1).astype(np.float32)
    moved = np.where(((y > 30) & (y < SIDE - 30))[:, None], [5.0, 0.0], [0.0, 0.0])
    odd = (y == 60) & (x == 60)
    moved[odd] = [-5.0, 0.0]
    sizes = np.full((len(x), 2), 8.0)
    rows = np.concatenate([np.stack([x, y], 1), sizes, moved], 1).astype(np.float32)
    rows = np.concatenate([rows, rows[(y < 30) | (y > SIDE - 30)]])  # small blocks outnumber large ones
    clip = Clip("v", film, np.zeros(1), motion_vectors=(rows,))
    mask = build_part(MOTION_VECTORS, texture=0, closing=0, opening=0, min_area=0)
    where = mask(clip)[0] > 0.5
    assert where[56:64, 56:64].all()
    assert where.sum() == 64
    kept = replace(clip, frames=np.maximum(film, 60))  # no bars: most of the picture rests
    assert mask(kept)[0].mean() > 0.3
