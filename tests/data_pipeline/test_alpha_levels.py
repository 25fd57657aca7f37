"""Levels of alpha: the same float32 by every way, and never in place of a mask that they would change."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fdakit.data_pipeline.alpha_levels import plain, smallest
from fdakit.data_pipeline.travelling_alphas import TravellingAlphas, rows_of_alphas
from fdakit.model.pixel_forms import plain_alpha

LEVELS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)


def test_levels_become_the_same_bits_in_numpy_and_torch() -> None:
    found = plain_alpha(torch.from_numpy(LEVELS)).numpy()
    assert found.dtype == np.float32
    assert np.array_equal(found.view(np.uint32), plain(LEVELS).view(np.uint32))
    assert np.array_equal(found.view(np.uint32), (LEVELS / 255).astype(np.float32).view(np.uint32))
    assert (found.min(), found.max()) == (0, 1)


def test_masks_of_whole_levels_are_held_as_such() -> None:
    np.testing.assert_array_equal(smallest(plain(LEVELS)), LEVELS)
    assert smallest(LEVELS) is LEVELS


@pytest.mark.parametrize("value", [0.5, 1e-30, np.nextafter(np.float32(1), np.float32(0))])
@pytest.mark.parametrize("frame", [0, 2])
def test_a_mask_that_levels_would_change_stays(value: float, frame: int) -> None:
    alpha = np.zeros((3, 4, 4), np.float32)
    alpha[frame, 1, 2] = value
    assert smallest(alpha) is alpha
    assert plain(alpha) is alpha


def test_alphas_of_a_batch_are_float32_whenever_they_are_looked_up() -> None:
    levels, soft = torch.from_numpy(LEVELS)[:, None, None], torch.rand(1, 1, 1, 16, 16)
    alphas = TravellingAlphas({"none": levels, "soft": soft})
    assert list(alphas) == ["none", "soft"]
    assert all(alpha.dtype == torch.float32 for alpha in alphas.values())
    assert torch.equal(alphas["soft"], soft)


def test_rows_of_alphas_travel_as_the_whole_does() -> None:
    levels = torch.from_numpy(LEVELS.reshape(4, 1, 1, 8, 8))
    some = rows_of_alphas(TravellingAlphas({"none": levels}), slice(1, 3))
    assert some.held["none"].dtype == torch.uint8
    assert torch.equal(some["none"], plain_alpha(levels)[1:3])
    assert torch.equal(rows_of_alphas({"none": plain_alpha(levels)}, slice(1, 3))["none"], some["none"])
