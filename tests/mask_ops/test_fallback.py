"""Masks that stand in are seen where they are asked for, and nowhere else."""

from __future__ import annotations

import numpy as np

from fdakit.mask_ops import Masks, replace_masks


def test_only_the_frames_asked_for_get_the_mask_and_the_remark():
    masks = Masks(np.full((3, 2, 2), 0.25, np.float32), ("", "cut", ""))
    where = np.array([True, False, True])
    for alpha in (1.0, np.arange(12, dtype=np.float32).reshape(3, 2, 2) / 12):
        made = replace_masks(masks, where, alpha=alpha, remark="alone")
        assert made.remarks == ("alone", "cut", "alone")
        assert made.alpha.dtype == np.float32
        np.testing.assert_array_equal(made.alpha[1], masks.alpha[1])
        np.testing.assert_array_equal(made.alpha[where], np.broadcast_to(np.float32(alpha), (3, 2, 2))[where])
    assert masks.alpha.max() == 0.25
    assert replace_masks(masks, ~where & where, alpha=1.0, remark="alone") is masks
