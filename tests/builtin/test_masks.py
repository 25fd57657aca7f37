"""`frame-difference` against a second, plain telling of its steps; `whole-frame`."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from helpers.plain_masks import RAW, grey, mask, stamped, told, told_grey
from hypothesis import given, settings, strategies as st

from fdakit.builtin.masks.frame_difference import FRAME_DIFFERENCE
from fdakit.builtin.masks.whole_frame import WHOLE_FRAME
from fdakit.mask_ops import get_backend
from fdakit.testing.building import build_part, example_clip
from fdakit.testing.masks import check_mask

# A second telling, without skimage: loops over pixels and shifts, border pixels have fewer neighbours.


@pytest.mark.integration
@pytest.mark.parametrize("shape", [(224, 224), (96, 128), (64, 300), (240, 250)])
def test_it_equals_a_second_telling_on_noise_and_moving_blocks(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(shape[0])
    coarse = rng.integers(0, 256, (3, -(-shape[0] // 9), -(-shape[1] // 9), 3), np.uint8)
    blocks = coarse.repeat(9, axis=1).repeat(9, axis=2)[:, : shape[0], : shape[1]]
    noise = rng.integers(0, 120, (3, *shape, 3), np.uint8)
    moving = np.full((3, *shape, 3), 90, np.uint8)
    for place in range(3):
        moving[place, 10:40, 8 * place : 8 * place + 25] = (200, 30, 90)
        moving[place, 50 + place : 53 + place, 30:33] = 255
    for frames in (blocks, noise, moving, np.minimum(moving, noise)):
        for options in ({}, {"threshold": 60, "closing": 3, "opening": 2, "min_area": 20}):
            np.testing.assert_array_equal(mask(frames, **options), told(frames, **options))


@given(st.integers(0, 2**32), st.integers(0, 80), st.integers(0, 12), st.integers(0, 12), st.integers(0, 3000))
@settings(max_examples=25, deadline=None)
def test_it_equals_a_second_telling_for_any_options(
    seed: int, threshold: int, closing: int, opening: int, min_area: int
) -> None:
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (3, 12, 10, 3), np.uint8).repeat(3, axis=1).repeat(3, axis=2)
    found = mask(frames, threshold=threshold, closing=closing, opening=opening, min_area=min_area)
    np.testing.assert_array_equal(found, told(frames, threshold, closing, opening, min_area))


def test_grey_is_rounded_bt601_luma_for_every_colour_of_a_grid() -> None:
    levels = np.array([*range(0, 256, 15), 1, 2, 254], np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
    np.testing.assert_array_equal(get_backend("scikit-image").grey(colours), told_grey(colours))


@pytest.mark.parametrize(("step", "marked"), [(24, 0.0), (25, 0.0), (26, 1.0)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_pixel_must_change_by_strictly_more_than_the_threshold(step: int, marked: float, sign: int) -> None:
    frames = grey(np.full((8, 8), 100), np.full((8, 8), 100 + sign * step))
    assert (mask(frames, **RAW) == marked).all()


def test_differences_do_not_wrap_around_at_256() -> None:
    for first, second in ((0, 255), (255, 0), (10, 240)):
        assert (mask(grey(np.full((8, 8), first), np.full((8, 8), second)), **RAW) == 1).all()


def test_pixels_that_touch_at_a_corner_are_one_component() -> None:
    corner = [(10, 16, 10, 16), (16, 22, 16, 22)]  # 36 + 36 pixels
    apart = [(10, 16, 10, 16), (17, 23, 17, 23)]
    options = {"closing": 0, "opening": 0, "min_area": 64}
    assert mask(stamped(corner), **options)[1].sum() == 72
    assert mask(stamped(apart), **options)[1].sum() == 0


@pytest.mark.parametrize(("size", "side"), [(224, 8), (448, 16), (112, 4)])
def test_a_component_of_the_smallest_area_stays_and_one_pixel_less_goes(size: int, side: int) -> None:
    options = {"closing": 0, "opening": 0, "min_area": 64}
    frames = stamped([(20, 20 + side, 20, 20 + side)], size)
    assert mask(frames, **options)[1].sum() == side * side
    frames[1, 20, 20] = 0
    assert mask(frames, **options)[1].sum() == 0


def test_disks_grow_with_the_picture() -> None:
    for size, gap in ((224, 4), (448, 8)):
        near = [(20, 80, 20, 80), (20, 80, 80 + gap, 140)]
        wide = [(20, 80, 20, 80), (20, 80, 80 + gap + 2, 140)]
        assert mask(stamped(near, size), opening=0)[1, 50, 80 : 80 + gap].all()
        assert not mask(stamped(wide, size), opening=0)[1, 50, 80 + gap // 2]


def test_the_first_frame_has_the_mask_that_is_asked_for() -> None:
    frames = example_clip(4, 96).frames
    second = mask(frames)[1]
    assert 0 < second.mean() < 1
    np.testing.assert_array_equal(mask(frames)[0], second)
    assert (mask(frames, first_frame="empty")[0] == 0).all()
    assert (mask(frames, first_frame="whole-frame")[0] == 1).all()
    for option in ("empty", "whole-frame"):
        np.testing.assert_array_equal(mask(frames, first_frame=option)[1:], mask(frames)[1:])


def test_a_mask_outside_the_coverage_limits_falls_back_only_where_asked() -> None:
    still, moved, flash = np.zeros((64, 64)), np.zeros((64, 64)), np.full((64, 64), 255)
    moved[10:40, 10:40] = 200
    frames = grey(still, still, moved, flash)  # nothing, a block, nearly everything
    limits = {"min_coverage": 0.1, "max_coverage": 0.6, "first_frame": "empty", "closing": 0}
    kept = mask(frames, **limits).mean(axis=(1, 2))
    assert kept.tolist() == [0, 0, pytest.approx(0.22, abs=0.01), 1]
    flash[20, 20] = 0
    assert mask(frames, fallback="whole-frame", **limits).mean(axis=(1, 2)).tolist() == [1, 1, kept[2], 1]
    wide = {**limits, "max_coverage": 0.2}
    assert mask(frames, fallback="whole-frame", **wide).mean(axis=(1, 2)).tolist() == [1, 1, 1, 1]


def test_the_coverage_limits_themselves_are_within() -> None:
    frames = stamped([(0, 112, 0, 224)])  # exactly a half
    for limits in ({"min_coverage": 0.5}, {"max_coverage": 0.5}):
        assert mask(frames, fallback="whole-frame", opening=0, cut=0, **limits)[1].mean() == 0.5


def test_one_frame_is_marked_whole_and_stillness_not_at_all() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1, 48, 48, 3), np.uint8)
    assert (mask(picture) == 1).all()
    assert (mask(picture.repeat(5, axis=0)) == 0).all()


@given(st.integers(0, 2**32), st.integers(0, 55))
@settings(max_examples=30, deadline=None)
def test_a_constant_added_to_all_frames_changes_nothing(seed: int, added: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 200, (3, 32, 32, 1), np.uint8).repeat(3, axis=3)
    np.testing.assert_array_equal(mask(frames), mask(frames + np.uint8(added)))


@given(st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_a_higher_threshold_marks_a_part_of_what_a_lower_one_does(seed: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 256, (3, 24, 24, 3), np.uint8)
    found = [mask(frames, threshold=threshold, **RAW) for threshold in range(0, 256, 17)]
    assert all((higher <= lower).all() for lower, higher in pairwise(found))
    assert found[0].mean() > found[-1].mean() == 0


def test_the_paper_s_settings_are_the_default() -> None:
    frames = example_clip(4, 224).frames
    explicit = {"threshold": 25, "closing": 2, "opening": 1, "min_area": 64, "fallback": "none"}
    np.testing.assert_array_equal(mask(frames), mask(frames, first_frame="as-second", **explicit))


def test_the_contracts_laws_hold() -> None:
    for options in ({}, {"threshold": 0, "fallback": "whole-frame"}, {"first_frame": "whole-frame"}, RAW):
        check_mask(FRAME_DIFFERENCE, **options)
    check_mask(WHOLE_FRAME)


def test_whole_frame_marks_everything() -> None:
    found = build_part(WHOLE_FRAME)(example_clip(3, 40))
    assert found.shape == (3, 40, 40)
    assert (found == 1).all()
