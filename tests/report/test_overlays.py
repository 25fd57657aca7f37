"""Overlays: what is marked stands out in its colour, what is not recedes, and the border between them is drawn."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from fdakit.report.overlays import COLOURS, mask_colour, mask_image, outline, overlay

ROSE = COLOURS[0]


def light(picture: NDArray[np.uint8]) -> float:
    return float(picture.astype(float).mean())


@pytest.fixture
def frame() -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(60, 200, (48, 64, 3), dtype=np.uint8)


@pytest.fixture
def square() -> NDArray[np.float32]:
    alpha = np.zeros((48, 64), np.float32)
    alpha[10:30, 20:50] = 1
    return alpha


def test_marked_pixels_are_tinted_the_others_dimmed_and_greyed(
    frame: NDArray[np.uint8], square: NDArray[np.float32]
) -> None:
    before = frame.copy()
    shown = overlay(frame, square, colour=ROSE)
    assert (shown.shape, shown.dtype) == (frame.shape, np.uint8)
    np.testing.assert_array_equal(frame, before)
    inside, outside = (slice(12, 28), slice(22, 48)), (slice(32, 48), slice(None))
    towards = np.abs(shown[inside].astype(float) - ROSE).mean()
    assert towards < 0.9 * np.abs(frame[inside].astype(float) - ROSE).mean()
    assert light(shown[outside]) < 0.7 * light(frame[outside])
    assert np.ptp(shown[outside], axis=-1).mean() < 0.4 * np.ptp(frame[outside], axis=-1).mean()


def test_the_outline_is_the_masks_own_border(frame: NDArray[np.uint8], square: NDArray[np.float32]) -> None:
    drawn = (overlay(frame, square, colour=(1, 2, 3)) == (1, 2, 3)).all(-1)
    ring = square.astype(bool)
    ring[11:29, 21:49] = False
    np.testing.assert_array_equal(drawn, ring)


def test_a_mask_at_the_frames_border_is_closed_there_and_an_empty_one_has_no_outline() -> None:
    whole = outline(np.ones((6, 8), np.bool_), width=2)
    assert whole.sum() == 6 * 8 - 2 * 4
    assert not whole[2:4, 2:6].any()
    assert not outline(np.zeros((6, 8), np.bool_), width=2).any()


def test_large_frames_have_wider_outlines() -> None:
    alpha = np.zeros((480, 480), np.float32)
    alpha[100:300, 100:300] = 1
    drawn = (overlay(np.zeros((480, 480, 3), np.uint8), alpha, colour=ROSE) == ROSE).all(-1)
    assert drawn[200, 100:110].tolist() == [True] * 3 + [False] * 7


@given(st.floats(0, 0.49), st.floats(0, 0.49))
def test_more_alpha_shows_more_of_the_picture(one: float, other: float) -> None:
    frame = np.full((12, 12, 3), (120, 160, 90), np.uint8)
    low, high = (light(overlay(frame, np.full((12, 12), a, np.float32), colour=ROSE)) for a in sorted((one, other)))
    assert low <= high


def test_a_masks_picture_has_the_levels_of_its_alpha() -> None:
    alpha = np.array([[0, 0.2, 0.5, 1]], np.float32)
    assert mask_image(alpha).tolist() == [[0, 51, 128, 255]]


def test_colours_differ_and_come_again() -> None:
    assert len({mask_colour(place) for place in range(len(COLOURS))}) == len(COLOURS)
    assert mask_colour(len(COLOURS)) == mask_colour(0)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.randoms(use_true_random=False))
def test_the_outline_is_what_lies_less_than_its_width_from_outside(
    high: int, wide: int, width: int, draw: Random
) -> None:
    inside = np.array([[draw.random() < 0.8 for _ in range(wide)] for _ in range(high)])
    around = np.pad(inside, 1)
    outside = np.argwhere(~around)
    for y, x in np.ndindex(high, wide):
        steps = np.abs(outside - (y + 1, x + 1)).sum(axis=1).min()
        assert outline(inside, width=width)[y, x] == (0 < steps <= width)
