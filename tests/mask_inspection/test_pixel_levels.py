"""How bright clips are, and what is said where the view leaves little contrast of them."""

from __future__ import annotations

import numpy as np
import pytest

from fdakit.mask_inspection.pixel_levels import clip_levels, level_advice, level_facts
from fdakit.plugin import Preprocess

CLIP = Preprocess(size=8, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def frames(mean: float, std: float, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(mean, std, (4, 32, 32, 3))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def test_mean_and_deviation_are_those_of_all_pixels() -> None:
    clips = [frames(60, 20), frames(120, 30, seed=1)]
    both = np.stack(clips) / 255
    facts = level_facts([clip_levels(clip) for clip in clips], CLIP)
    assert facts["mean"] == pytest.approx(both.mean((0, 1, 2, 3)).tolist(), abs=1e-4)
    assert facts["std"] == pytest.approx(both.std((0, 1, 2, 3)).tolist(), abs=1e-4)
    assert facts["contrast"] == pytest.approx(min(both.std((0, 1, 2, 3))) / 0.25, abs=1e-6)
    assert facts["offset"] == pytest.approx(max(abs(both.mean((0, 1, 2, 3)) - 0.5)) / 0.25, abs=1e-6)


def test_there_is_a_word_on_clips_without_contrast_and_none_on_others() -> None:
    dark = level_facts([clip_levels(frames(12, 3))], CLIP)
    (said,) = level_advice(dark)
    assert f"[view] mean = {dark['mean']} and std = {dark['std']}" in said
    assert level_advice(level_facts([clip_levels(frames(110, 60))], CLIP)) == []
    black = level_facts([clip_levels(np.zeros((1, 4, 4, 3), np.uint8))], CLIP)
    assert "std = [0.01, 0.01, 0.01]" in level_advice(black)[0]
