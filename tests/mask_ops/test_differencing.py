"""Grey layers, thresholds and cuts from histograms of differences, against plain tellings on the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from skimage.filters import threshold_otsu

from fdakit.mask_ops.backends import get_backend
from fdakit.mask_ops.differencing import grey_layers, histogram_cuts, shrunk, soft_strength, thresholds
from fdakit.mask_ops.options import ThresholdOptions
from fdakit.plugin import Clip

ENGINE = get_backend("scikit-image")


@given(st.integers(0, 2**32), st.integers(1, 255), st.integers(1, 30), st.floats(0, 8))
@settings(max_examples=60, deadline=None)
def test_thresholds_are_those_of_the_pixels(seed: int, spread: int, side: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, spread + 1, (3, side, side), np.uint8)
    counts = ENGINE.counts(levels)
    mad = ThresholdOptions(threshold=0, threshold_rule="mad", mad_factor=factor)
    for found, picture in zip(thresholds(counts, mad), levels, strict=True):
        ordered = np.sort(picture.ravel().astype(int))
        middle = ordered[(ordered.size + 1) // 2 - 1]  # the lower median
        away = np.sort(np.abs(ordered - middle))[(ordered.size + 1) // 2 - 1]
        assert found == pytest.approx(middle + factor * 1.4826 * away)
    otsu = ThresholdOptions(threshold=0, threshold_rule="otsu")
    for found, picture in zip(thresholds(counts, otsu), levels, strict=True):
        if picture.min() < picture.max():
            theirs = threshold_otsu(picture)
            np.testing.assert_array_equal(picture > found, picture > theirs)


def test_no_rule_goes_under_the_threshold_that_is_set() -> None:
    counts = ENGINE.counts(np.zeros((2, 8, 8), np.uint8))
    for rule in ("fixed", "mad", "otsu"):
        assert thresholds(counts, ThresholdOptions(threshold=25, threshold_rule=rule)).tolist() == [25, 25]


def test_a_cut_is_a_large_difference_that_is_no_change_of_light() -> None:
    rng = np.random.default_rng(0)
    other_scene = rng.integers(0, 200, (40, 40), np.uint8)
    flash, still = np.full((40, 40), 120, np.uint8), np.zeros((40, 40), np.uint8)
    small = still.copy()
    small[:10, :10] = 255
    counts = ENGINE.counts(np.stack([other_scene, flash, still, small]))
    assert histogram_cuts(counts, 45).tolist() == [True, False, False, False]
    assert not histogram_cuts(counts, 0).any()


def test_soft_strength_is_the_difference_over_twice_the_threshold() -> None:
    levels = np.array([[[0, 25, 50, 255]]], np.uint8)
    assert soft_strength(levels, np.array([25.0])).tolist() == [[[0, 0.5, 1, 1]]]
    assert soft_strength(levels, np.array([0.0])).tolist() == [[[0, 1, 1, 1]]]


def clip() -> Clip:
    frames = np.random.default_rng(1).integers(0, 256, (2, 30, 50, 3), np.uint8)
    luma = {gap: near[..., 1] for gap, near in ((0, frames), (-1, frames[::-1]))}
    return Clip("v", frames, np.arange(2.0), neighbours={-1: frames[::-1].copy()}, luma=luma)


def test_layers_follow_the_rule_for_frames_and_neighbours() -> None:
    seen = clip()
    grey = grey_layers(seen, backend=ENGINE)
    assert {gap: layer.shape for gap, layer in grey.items()} == {0: (1, 2, 30, 50), -1: (1, 2, 30, 50)}
    np.testing.assert_array_equal(grey[-1][0], grey[0][0, ::-1])
    colours = grey_layers(seen, backend=ENGINE, rule="max-channel")
    np.testing.assert_array_equal(np.moveaxis(colours[0], 0, -1), seen.frames)
    decoder = grey_layers(seen, backend=ENGINE, rule="decoder-luma")
    np.testing.assert_array_equal(decoder[-1][0], seen.luma[-1])


@pytest.mark.parametrize("rule", ["bt601", "max-channel", "decoder-luma"])
def test_a_working_size_averages_and_never_enlarges(rule: str) -> None:
    assert grey_layers(clip(), backend=ENGINE, rule=rule, short_side=15)[0].shape[1:] == (2, 15, 25)
    assert grey_layers(clip(), backend=ENGINE, rule=rule, short_side=60)[0].shape[1:] == (2, 30, 50)
    blocks = np.arange(8, dtype=np.uint8).reshape(1, 2, 4).repeat(3, axis=1).repeat(3, axis=2)
    np.testing.assert_array_equal(shrunk(blocks, 2), np.arange(8).reshape(1, 2, 4))
