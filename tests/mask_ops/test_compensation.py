"""What is left between two pictures once camera and light are taken off."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.camera_views import seen, texture, with_object
from hypothesis import given, settings, strategies as st

from fdakit.mask_ops.compensation import brightness_between, compensated_difference


def levels(picture: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("light", [0, 15, -15])
def test_only_the_moving_thing_is_left(light: int) -> None:
    ground = texture(1)
    before = levels(with_object(seen(ground, (0, 0)), 60))
    after = levels(with_object(seen(ground, (3.3, -6.7)), 70) + light)
    found, known = compensated_difference(before, after)
    thing = np.zeros(found.shape, np.bool_)
    thing[55:145, 50:155] = True  # with the ground that it uncovered, and a rim
    assert found[known & ~thing].mean() < 2
    assert found[60:140, 70:150].mean() > 12
    assert not found[~known].any()
    plain, everywhere = compensated_difference(before, after, camera="none", brightness="none")
    assert plain[~thing].mean() > 15
    assert everywhere.all()
    np.testing.assert_array_equal(plain, np.abs(after.astype(int) - before))


@pytest.mark.integration
@given(st.floats(0.7, 1.4), st.floats(-30, 30))
@settings(max_examples=20, deadline=None)
def test_gain_and_bias_are_found_beside_a_moving_thing(gain: float, bias: float) -> None:
    before = seen(texture(2), (0, 0))
    after = with_object(before, 60) * np.float32(gain) + np.float32(bias)
    slope, level = brightness_between(before, after, np.ones(before.shape, np.bool_))
    assert abs(slope - gain) < 0.02
    assert abs(slope * 120 + level - (gain * 120 + bias)) < 1


def test_a_flat_picture_tells_no_gain() -> None:
    flat = np.full((50, 50), 100, np.float32)
    assert brightness_between(flat, flat + 20, np.ones(flat.shape, np.bool_)) == (1, 20)
    assert brightness_between(flat, flat + 20, np.zeros(flat.shape, np.bool_)) == (1, 0)


@pytest.mark.parametrize(("gain", "found"), [(0.4, 0.5), (0.6, 0.6), (1.8, 1.8), (2.5, 2.0)])
def test_a_gain_is_held_between_a_half_and_two(gain: float, found: float) -> None:
    before = np.linspace(100, 110, 1600, dtype=np.float32).reshape(40, 40)
    slope, bias = brightness_between(before, before * np.float32(gain), np.ones(before.shape, np.bool_))
    assert slope == pytest.approx(found, abs=1e-3)
    assert bias == pytest.approx(105 * (gain - found), abs=0.2)


@pytest.mark.parametrize(("deviation", "slope"), [(1.9, 1.0), (2.1, 1.5)])
def test_a_gain_is_told_from_a_deviation_of_two_levels(deviation: float, slope: float) -> None:
    before = np.tile(np.array([100 - deviation, 100 + deviation], np.float32), (40, 20))
    found, _ = brightness_between(before, before * np.float32(1.5), np.ones(before.shape, np.bool_))
    assert found == pytest.approx(slope, abs=1e-3)


@pytest.mark.parametrize(("side", "step"), [(64, 1), (126, 1), (127, 2), (189, 2), (190, 3)])
def test_of_a_large_picture_some_thousand_pixels_evenly_are_looked_at(side: int, step: int) -> None:
    before = texture(2)[:side, :side]
    after = np.random.default_rng(0).uniform(0, 255, before.shape).astype(np.float32)
    after[::step, ::step] = before[::step, ::step] + 60
    assert brightness_between(before, after, np.ones(before.shape, np.bool_), gain=False) == (1, pytest.approx(60))


def test_what_the_camera_did_not_see_tells_nothing_of_the_light() -> None:
    before = texture(2)[:60, :60]
    after, valid = before * np.float32(1.2) + 5, np.zeros(before.shape, np.bool_)
    valid[20:] = True
    after[~valid] = 0
    assert brightness_between(before, after, valid) == (pytest.approx(1.2, abs=1e-3), pytest.approx(5, abs=0.1))


@given(st.integers(0, 100), st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_anything_gives_levels(seed: int, height: int, width: int) -> None:
    one, other = np.random.default_rng(seed).integers(0, 256, (2, height, width), np.uint8)
    for camera in ("none", "translation", "similarity"):
        found, known = compensated_difference(one, other, camera=camera)
        assert found.shape == known.shape == (height, width)
        assert found.dtype == np.uint8


def test_equal_pictures_leave_nothing() -> None:
    picture = levels(seen(texture(3), (0, 0)))
    found, known = compensated_difference(picture, picture)
    assert found.max() <= 1
    assert known.mean() > 0.98
