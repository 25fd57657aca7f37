"""Cleaning, fallback and alpha: what `postprocess_masks` makes of change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fdakit.mask_ops.backends import get_backend
from fdakit.mask_ops.options import PostprocessOptions
from fdakit.mask_ops.postprocess import Masks, apply_morphology, footprint, postprocess_masks, stretched

ENGINE = get_backend("scikit-image")
RAW = {"closing": 0, "opening": 0, "min_area": 0}


def finished(changed: Any, *, shape: tuple[int, int] | None = None, **given_options: Any) -> Masks:
    beside = {key: given_options.pop(key) for key in ("strength", "cut") if key in given_options}
    options = PostprocessOptions.model_validate({**RAW, **given_options})
    return postprocess_masks(changed, options=options, backend=ENGINE, shape=shape or changed.shape[1:], **beside)


def ring() -> Any:
    """A square ring in each of four frames of 224 px."""
    changed = np.zeros((4, 224, 224), np.bool_)
    changed[:, 50:100, 50:100] = True
    changed[:, 55:95, 55:95] = False
    return changed


def test_fallbacks_are_named_and_mark_the_whole_frame() -> None:
    changed = ring()
    changed[1] = False
    changed[2] = True
    found = finished(changed, fallback="whole-frame", cut=np.array([False, False, False, True]))
    assert found.remarks == ("", "empty", "full", "cut")
    assert found.alpha[1:].min() == 1
    assert 0 < found.alpha[0].mean() < 0.1
    kept = finished(changed, cut=np.array([False, False, False, True]))
    assert kept.remarks == ("", "", "", "")
    assert kept.alpha[1].max() == 0


def test_holes_are_filled_but_not_those_open_to_the_rim() -> None:
    changed = ring()
    assert finished(changed, fill_holes=True).alpha[0, 75, 75] == 1
    changed[:, 70:80, :60] = False  # a gap in the ring, and the ground comes in
    assert finished(changed, fill_holes=True).alpha[0, 75, 75] == 0


@pytest.mark.parametrize(("element", "corner"), [("disk", 0.0), ("square", 1.0)])
def test_dilation_grows_by_its_element_and_scales(element: str, corner: float) -> None:
    for side, radius in ((224, 6), (112, 3)):
        changed = np.zeros((1, side, side), np.bool_)
        changed[0, side // 2, side // 2] = True
        alpha = finished(changed, dilation=6, element=element).alpha[0]
        middle = side // 2
        assert alpha[middle + radius, middle] == 1
        assert alpha[middle + radius + 1, middle] == 0
        assert alpha[middle + radius, middle + radius] == corner


def test_soft_alpha_lies_inside_the_cleaned_mask() -> None:
    changed = ring()
    strength = np.linspace(0, 1, changed.size, dtype=np.float32).reshape(changed.shape)
    alpha = finished(changed, alpha="soft", strength=strength).alpha
    np.testing.assert_array_equal(alpha, np.where(changed, strength, 0))
    assert finished(changed, alpha="hard", strength=strength).alpha.max() == 1


def test_four_connected_parts_fall_apart_at_corners() -> None:
    changed = np.zeros((1, 224, 224), np.bool_)
    changed[0, 10:16, 10:16] = changed[0, 16:22, 16:22] = True
    assert finished(changed, min_area=64, connectivity=8).alpha.sum() == 72
    assert finished(changed, min_area=64, connectivity=4).alpha.sum() == 0


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_stretching_takes_each_pixel_from_its_cell(height: int, width: int, tall: int, wide: int) -> None:
    alpha = np.random.default_rng(0).random((2, height, width), np.float32)
    found = stretched(alpha, (tall, wide))
    assert found.shape == (2, tall, wide)
    for y, x in ((0, 0), (tall - 1, wide - 1), (tall // 2, wide // 3)):
        cell = int((y + 0.5) * height / tall), int((x + 0.5) * width / wide)
        assert found[1, y, x] == alpha[1, cell[0], cell[1]]
    np.testing.assert_array_equal(stretched(alpha, (height, width)), alpha)


def test_a_disk_reaches_its_radius() -> None:
    assert footprint(2, "disk").tolist() == [
        [0, 0, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 0, 0],
    ]
    assert footprint(1, "square").tolist() == [[1, 1, 1]] * 3


def test_cleaning_a_stack_is_cleaning_each_frame() -> None:
    rng = np.random.default_rng(5)
    changed = (rng.random((4, 12, 12)) < 0.4).repeat(9, axis=1).repeat(9, axis=2)
    options = PostprocessOptions(fill_holes=True, dilation=3)
    whole = apply_morphology(changed, options=options, backend=ENGINE)
    each = [apply_morphology(changed[k : k + 1], options=options, backend=ENGINE)[0] for k in range(4)]
    np.testing.assert_array_equal(whole, np.stack(each))


@pytest.mark.parametrize(("radius", "scale"), [(2, 0.5), (2, 1.0), (2, 2.0), (1, 3.0)])
@pytest.mark.parametrize("step", ["closing", "opening"])
def test_radii_are_in_pixels_at_224(radius: int, scale: float, step: str) -> None:
    changed = np.random.default_rng(0).random((2, 64, 64)) < 0.4
    options = PostprocessOptions.model_validate({**RAW, step: radius})
    found = apply_morphology(changed, options=options, backend=ENGINE, scale=scale)
    morph = ENGINE.close if step == "closing" else ENGINE.open
    np.testing.assert_array_equal(found, morph(changed, footprint(round(radius * scale), options.element)))
