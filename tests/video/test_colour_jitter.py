"""Colour jitter: the pixels of torchvision's on PIL images, one draw for all frames of a clip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.view_samples import pictures
from hypothesis import given, settings, strategies as st
from PIL import Image
from torchvision.transforms import functional

from fdakit.settings import JITTERED, ViewSettings
from fdakit.video.colour_jitter import ColourJitter

ADJUST = {name: getattr(functional, f"adjust_{name}") for name in JITTERED}
LARGEST = st.fixed_dictionaries({name: st.sampled_from([0.0, 0.1, 0.4, 0.5]) for name in JITTERED})


def jitter(frames: Any, *, seed: int = 0, **largest: float) -> Any:
    """Frames in other colours, drawn by a seed."""
    return ColourJitter(ViewSettings(**largest))(frames, np.random.default_rng(seed))


def amounts(largest: dict[str, float], seed: int) -> list[tuple[str, float]]:
    """What is drawn: each amount by its range, then their order."""
    rng = np.random.default_rng(seed)
    drawn = [
        (name, rng.uniform(-most, most) if name == "hue" else rng.uniform(max(0, 1 - most), 1 + most))
        for name in JITTERED
        if (most := largest[name])
    ]
    return [drawn[place] for place in rng.permutation(len(drawn))]


@settings(max_examples=60, deadline=None)
@given(LARGEST, st.integers(0, 999), st.integers(1, 40), st.integers(1, 40))
def test_each_frame_is_what_torchvision_makes_of_it(
    largest: dict[str, float], seed: int, height: int, width: int
) -> None:
    frames = pictures(height, width, 3)
    found = jitter(frames, seed=seed, **largest)
    for frame, shown in zip(frames, found, strict=True):
        image = Image.fromarray(frame)
        for name, amount in amounts(largest, seed):
            image = ADJUST[name](image, amount)
        np.testing.assert_array_equal(shown, np.asarray(image))


def test_the_order_is_drawn_too() -> None:
    orders = {tuple(name for name, _ in amounts(dict.fromkeys(JITTERED, 0.3), seed)) for seed in range(200)}
    assert len(orders) == 24


@settings(max_examples=30, deadline=None)
@given(LARGEST, st.integers(0, 999))
def test_equal_frames_stay_equal_and_what_was_given_stays_as_it_was(largest: dict[str, float], seed: int) -> None:
    frames = np.repeat(pictures(9, 7, 1), 4, axis=0)
    before = frames.copy()
    shown = jitter(frames, seed=seed, **largest)
    assert (shown.shape, shown.dtype) == (frames.shape, np.uint8)
    np.testing.assert_array_equal(shown, np.repeat(shown[:1], 4, axis=0))
    np.testing.assert_array_equal(frames, before)


def test_without_jitter_frames_are_handed_through_and_nothing_is_drawn() -> None:
    frames, rng = pictures(9, 7), np.random.default_rng(0)
    assert not ColourJitter(ViewSettings()).draws
    assert ColourJitter(ViewSettings(flip=1.0, crop_scale=(0.5, 1.0)))(frames, rng) is frames
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize("name", JITTERED)
def test_each_key_changes_colours_by_itself_and_by_the_seed(name: str) -> None:
    frames = pictures(20, 20)
    found = [jitter(frames, seed=seed, **{name: 0.4}) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    assert not np.array_equal(found[0], frames)


@pytest.mark.parametrize("largest", [{"hue": 0.6}, {"brightness": -0.1}, {"saturation": float("nan")}])
def test_jitter_out_of_range_is_refused(largest: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(largest))):
        ViewSettings(**largest)
