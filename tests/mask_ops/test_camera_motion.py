"""Camera motion is found to a fraction of a pixel, whatever moves on its own, and taken back."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.camera_views import RIM, SIDE, seen, texture, with_object
from hypothesis import given, settings, strategies as st

from fdakit.mask_ops.camera_motion import estimate_similarity, estimate_translation
from fdakit.mask_ops.phase_correlation import phase_shift
from fdakit.mask_ops.warping import Camera, warp


@pytest.mark.integration
@given(st.integers(0, 50), st.tuples(st.floats(-25, 25), st.floats(-25, 25)), st.floats(-20, 20), st.floats(0, 3))
@settings(max_examples=25, deadline=None)
def test_a_shift_is_found_beside_a_moving_thing_flicker_and_noise(
    seed: int, shift: tuple[float, float], light: float, noise: float
) -> None:
    rng, ground = np.random.default_rng(seed), texture(seed)
    before = with_object(seen(ground, (0, 0)), 60)
    after = with_object(seen(ground, shift), 75) + light + rng.normal(0, noise, (SIDE, SIDE)).astype(np.float32)
    camera = estimate_translation(before, after.astype(np.float32))
    np.testing.assert_allclose(camera.shift, shift, atol=0.15)
    assert camera.plain


@pytest.mark.parametrize("shape", [(64, 64), (100, 60), (127, 300)])
def test_small_and_oblong_pictures_too(shape: tuple[int, int]) -> None:
    ground = np.pad(texture(1), RIM, mode="wrap")
    before, after = (ground[50 + y :, 60 + x :][: shape[0], : shape[1]] for y, x in ((0, 0), (3, -5)))
    np.testing.assert_allclose(estimate_translation(before, after).shift, (3, -5), atol=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 200), (224, 224)])
@pytest.mark.parametrize("kind", ["flat", "noise"])
def test_what_tells_nothing_gives_a_finite_shift_within_the_picture(shape: tuple[int, int], kind: str) -> None:
    rng = np.random.default_rng(3)
    one, other = (rng.normal(100, 20 * (kind == "noise"), shape).astype(np.float32) for _ in range(2))
    for estimate in (estimate_translation, estimate_similarity):
        camera = estimate(one, other)
        assert np.isfinite(camera.shift).all()
        assert np.isfinite(camera.matrix).all()
        if kind == "flat":
            np.testing.assert_allclose(camera.shift, 0, atol=1e-6)
        warped, valid = warp(one, camera)
        assert warped.shape == valid.shape == shape
        assert np.isfinite(warped).all()


def test_stripes_have_no_shift_along_themselves() -> None:
    across = np.tile(120 + 60 * np.sin(np.arange(160) / 7.0), (160, 1)).astype(np.float32)
    camera = estimate_translation(across, np.roll(across, 2, axis=1))
    assert abs(camera.shift[0]) < 1


@pytest.mark.parametrize(("angle", "zoom"), [(0.5, 1.0), (-1.5, 1.0), (0.0, 1.01), (0.0, 0.97), (1.0, 1.02)])
def test_turn_and_zoom_are_found(angle: float, zoom: float) -> None:
    ground = texture(2)
    before, after = seen(ground, (0, 0)), seen(ground, (2.5, -4), angle=np.deg2rad(angle), zoom=zoom)
    camera = estimate_similarity(before, with_object(after, 90))
    (a, b), _ = camera.matrix
    assert abs(np.hypot(a, b) - zoom) < 0.002
    assert abs(np.rad2deg(np.arctan2(b, a)) - angle) < 0.1
    np.testing.assert_allclose(camera.shift, (2.5, -4), atol=0.3)


@pytest.mark.parametrize(("shift", "blocks"), [((20, 8), 4), ((20, 20), 3), ((20, -20), 3), ((8, 20), 6)])
def test_a_turn_is_told_from_four_blocks_in_sight_and_not_from_fewer(shift: tuple[int, int], blocks: int) -> None:
    ground = texture(1)[: 64 + 2 * RIM, : 96 + 2 * RIM]  # 64 x 96 px have three rows of five blocks, each of 32 px
    camera = estimate_similarity(seen(ground, (0, 0)), seen(ground, shift, angle=np.deg2rad(1.5)))
    np.testing.assert_allclose(camera.shift, shift, atol=0.5)
    (a, b), _ = camera.matrix
    assert camera.plain == (blocks < 4)
    assert abs(np.rad2deg(np.arctan2(b, a)) - 1.5 * (blocks >= 4)) < 0.1


@given(st.integers(-30, 30), st.integers(-30, 30))
@settings(max_examples=20, deadline=None)
def test_a_whole_shift_warps_without_touching_a_level(down: int, right: int) -> None:
    picture = texture(4)[:90, :120]
    warped, valid = warp(picture, Camera(np.eye(2), np.array([float(down), float(right)])))
    rows, columns = np.indices(picture.shape)
    inside = (rows + down >= 0) & (rows + down < 90) & (columns + right >= 0) & (columns + right < 120)
    np.testing.assert_array_equal(valid, inside)
    np.testing.assert_array_equal(warped[inside], picture[(rows + down)[inside], (columns + right)[inside]])


def test_the_two_ways_of_warping_agree() -> None:
    picture, shift = texture(5), np.array([1.4, -2.7])
    plain, valid = warp(picture, Camera(np.eye(2), shift))
    general, known = warp(picture, Camera(np.eye(2) * (1 + 1e-12), shift))
    inner = np.s_[10:-10, 10:-10]
    assert np.abs(plain - general)[inner].mean() < 0.5  # another cubic kernel
    assert (valid == known).mean() > 0.99


def test_phase_shift_says_where_content_went() -> None:
    ground = texture(6)
    down, right = phase_shift(ground[20:148, 20:148], ground[17:145, 25:153])
    assert abs(down - 3) < 0.6
    assert abs(right + 5) < 0.6


@pytest.mark.parametrize("shift", [(0.3, -0.3), (4.3, -3.7), (-2.4, 6.4)])
def test_phase_shift_lies_between_pixels_on_the_right_side(shift: tuple[float, float]) -> None:
    ground = texture(3)
    found = phase_shift(seen(ground, shift), seen(ground, (0, 0)))
    np.testing.assert_allclose(found, shift, atol=0.2)
