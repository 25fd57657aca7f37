"""Fields of displacement: the camera is found and taken off, blocks are painted where they lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from fdakit.mask_ops import block_texture, render_blocks, residual_motion

Floats = NDArray[np.float32]


def places(count: int = 400, *, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).uniform(0, 224, (count, 2)).astype(np.float32)


def camera_at(where: Floats, *, zoom: float = 0, turn: float = 0, shift: tuple[float, float] = (0, 0)) -> Floats:
    """What a camera that zooms and turns about the picture's middle does to places (x, y)."""
    x, y = (where - 112).T
    return np.stack([zoom * x - turn * y + shift[0], turn * x + zoom * y + shift[1]], axis=1).astype(np.float32)


@given(
    st.floats(-0.05, 0.05), st.floats(-0.05, 0.05), st.tuples(st.floats(-9, 9), st.floats(-9, 9)), st.integers(0, 99)
)
@settings(max_examples=40)
def test_a_similarity_is_taken_off_whatever_a_quarter_of_the_picture_does(zoom, turn, shift, seed):
    where = places(seed=seed)
    moved = camera_at(where, zoom=zoom, turn=turn, shift=shift)
    thing = (where < 112).all(axis=1)
    moved[thing] += (8, -6)
    rest = residual_motion(where, moved, camera="similarity")
    assert rest[~thing].max() < 0.3
    assert np.abs(rest[thing] - 10).max() < 0.3


@given(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), st.integers(0, 99))
@settings(max_examples=40)
def test_a_translation_is_the_median_of_each_direction(shift, seed):
    where = places(seed=seed)
    moved = camera_at(where, shift=shift)
    thing = (where < 112).all(axis=1)
    moved[thing] += (8, -6)
    rest = residual_motion(where, moved, camera="translation")
    np.testing.assert_allclose(rest, np.where(thing, 10, 0), atol=1e-4)
    np.testing.assert_allclose(residual_motion(where, moved, camera="none"), np.hypot(*moved.T), rtol=1e-6)


def test_weights_say_how_much_of_the_picture_a_place_stands_for():
    where, moved = places(10), np.zeros((10, 2), np.float32)
    moved[:7, 0] = 5  # most blocks, but small ones
    weights = np.where(np.arange(10) < 7, 16, 256).astype(np.float32)
    assert (residual_motion(where, moved)[:7] == 0).all()
    assert (residual_motion(where, moved, weights=weights) == np.where(np.arange(10) < 7, 5, 0)).all()


def test_a_place_measured_over_twice_the_time_is_no_motion_of_its_own_where_spans_say_so():
    where, moved = places(9), np.full((9, 2), (4, 2), np.float32)
    moved[0], moved[1], moved[2] = (8, 4), (2, 1), (-4, 2)
    rest = residual_motion(where, moved, spans=(0.5, 1.0, 2.0))
    assert rest[[0, 1]].max() == 0
    assert rest[2] == pytest.approx(np.hypot(6, 1))
    assert rest[3:].max() == 0
    assert residual_motion(where, moved)[0] > 4


@pytest.mark.parametrize("camera", ["none", "translation", "similarity"])
def test_none_few_and_equal_places_give_finite_numbers(camera):
    for count in (0, 1, 2, 9):
        where = np.full((count, 2), 7, np.float32)
        rest = residual_motion(where, np.full((count, 2), 3, np.float32), camera=camera)
        assert rest.shape == (count,)
        assert np.isfinite(rest).all()


def test_a_turn_or_zoom_is_told_from_eight_places_and_of_fewer_the_median():
    where = places(8)
    moved = camera_at(where, zoom=0.05, turn=0.02, shift=(3, 0))
    assert residual_motion(where, moved, camera="similarity").max() < 1e-3
    few = residual_motion(where[:7], moved[:7], camera="similarity")
    np.testing.assert_array_equal(few, residual_motion(where[:7], moved[:7], camera="translation"))
    assert few.max() > 1


@pytest.mark.parametrize(
    ("weights", "camera"), [([1, 1, 1, 1], 1), ([1, 1, 2, 0], 1), ([1, 1, 3, 0], 2), ([5, 1, 1, 1], 0)]
)
def test_of_two_middle_displacements_the_lower_is_the_cameras(weights, camera):
    steps = np.arange(4, dtype=np.float32)
    rest = residual_motion(places(4), np.stack([steps, -steps], axis=1), weights=np.array(weights, np.float32))
    down = -np.array([3, 2, 1, 0])[np.searchsorted(np.cumsum(weights[::-1]), sum(weights) / 2)]
    np.testing.assert_allclose(rest, np.hypot(steps - camera, -steps - down), atol=1e-6)


def test_many_places_tell_what_a_part_of_them_tells():
    y, x = np.mgrid[0:200, 0:200].astype(np.float32)
    where = np.stack([x.ravel(), y.ravel()], axis=1)
    moved = camera_at(where, zoom=0.02, shift=(3, 0))
    assert residual_motion(where, moved, camera="similarity").max() < 1e-3


@pytest.mark.integration
@given(
    st.lists(st.tuples(*[st.floats(-20, 60) for _ in range(2)], *[st.floats(0, 30) for _ in range(2)]), max_size=8)
)
@settings(max_examples=60)
def test_a_pixel_shows_the_last_block_that_holds_its_middle(blocks):
    rows = np.array(blocks, np.float32).reshape(-1, 4)
    values = np.arange(1, len(rows) + 1, dtype=np.float32)
    told = np.zeros((30, 40), np.float32)
    for (x, y, wide, high), value in zip(rows, values, strict=True):
        for row in range(30):
            for column in range(40):
                across = x - wide / 2 <= column + np.float32(0.5) < x + wide / 2
                if across and y - high / 2 <= row + np.float32(0.5) < y + high / 2:
                    told[row, column] = value
    np.testing.assert_array_equal(render_blocks(rows, values, (30, 40)), told)


def test_texture_is_the_deviation_within_a_block():
    grey = np.random.default_rng(0).integers(0, 200, (40, 50), np.uint8)
    blocks = np.array([[25, 20, 50, 40], [8, 8, 16, 16], [48, 38, 8, 8], [90, 90, 8, 8]], np.float32)
    wanted = [grey.std(), grey[:16, :16].std(), grey[34:, 44:].std(), 0]
    np.testing.assert_allclose(block_texture(grey, blocks), wanted, rtol=1e-5)
    np.testing.assert_array_equal(block_texture(grey + np.uint8(55), blocks), block_texture(grey, blocks))
    assert (block_texture(np.full((40, 50), 77, np.uint8), blocks) == 0).all()
