"""Clips as a mask on the device sees them."""

from __future__ import annotations

import numpy as np
import pytest

from fdakit.data_pipeline.mask_calls import clip_batch
from fdakit.plugin import Clip


def test_a_stored_clip_is_copied_for_a_mask_that_may_write(recwarn: pytest.WarningsRecorder) -> None:
    clip = Clip("a", np.full((2, 4, 4, 3), 7, np.uint8), np.array([0.5, 1.0]))
    before = clip.frames.copy()
    for array in (clip.frames, clip.times):
        array.flags.writeable = False
    batch = clip_batch(clip, "cpu")
    batch.frames.zero_()
    batch.times.zero_()
    assert np.array_equal(clip.frames, before)
    assert clip.times.any()
    assert not recwarn.list
