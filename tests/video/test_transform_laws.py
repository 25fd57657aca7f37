"""Laws of the random view: all that belongs to a clip stays aligned, and neutral settings draw nothing new."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.view_samples import made, pictures, still, tower
from hypothesis import given, settings, strategies as st
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop

from fdakit.settings import ViewSettings
from fdakit.values import Clip
from fdakit.video.transform import FrameTransform

SEEDS = st.integers(0, 10**6)
SIDES = st.integers(4, 60)
VIEWS = st.builds(
    lambda flip, scale, aspect, resize, square: ViewSettings(
        flip=flip, crop_scale=scale, crop_aspect=aspect, resize=resize, pixel_aspect=square
    ),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([None, (0.1, 1.0), (0.5, 0.9), (1.0, 1.0)]),
    st.sampled_from([(3 / 4, 4 / 3), (1.0, 1.0), (0.5, 2.0), (2.0, 2.5)]),
    st.sampled_from(["shortest", "longest", "squash"]),
    st.booleans(),
)


def shown(view: ViewSettings, clip: Clip, seed: int, size: int = 16) -> Clip:
    """The clip as a training sees it."""
    return FrameTransform(view, tower(size=size))(clip, training=True, rng=np.random.default_rng(seed))


@settings(max_examples=60, deadline=None)
@given(VIEWS, SEEDS, SIDES, SIDES, st.sampled_from([1.0, 1.5]))
def test_frames_neighbours_and_luma_of_one_picture_stay_one_picture(
    view: ViewSettings, seed: int, height: int, width: int, aspect: float
) -> None:
    grey = pictures(height, width, 3)[..., :1].repeat(3, axis=3)
    clip = Clip("a", grey, np.arange(3.0), {-1: grey}, pixel_aspect=aspect, luma={0: grey[..., 0], -1: grey[..., 0]})
    found = shown(view, clip, seed)
    np.testing.assert_array_equal(found.neighbours[-1], found.frames)
    for gap in (0, -1):
        np.testing.assert_array_equal(found.luma[gap], found.frames[..., 0])


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.integers(24, 60), st.integers(24, 60), st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_the_mask_of_the_view_is_the_view_of_the_mask(
    seed: int, height: int, width: int, top: int, left: int, flipped: bool
) -> None:
    """Of a pattern in a crop that is not resized, so that no pixel lies between marked and not marked."""
    pattern = np.zeros((1, height, width, 3), np.uint8)
    pattern[:, top::4, left::3] = 255
    view = ViewSettings(flip=float(flipped), crop_scale=(0.2, 1.0), crop_aspect=(1.0, 1.0))
    y, x, side, _ = _crop(view, (height, width), seed)
    found = shown(view, made(pattern), seed, size=side).frames[..., 0] > 127
    mask = pattern[:, y : y + side, x : x + side, 0] > 127
    np.testing.assert_array_equal(found, mask[:, :, ::-1] if flipped else mask)


def _crop(view: ViewSettings, shape: tuple[int, int], seed: int) -> tuple[int, int, int, int]:
    crop = FrameTransform(view, tower())._draw(shape, rng=np.random.default_rng(seed)).crop
    assert crop is not None
    assert crop[2] == crop[3]
    return crop


@settings(max_examples=60, deadline=None)
@given(SEEDS, SIDES, SIDES)
def test_a_crop_of_the_whole_frame_is_the_frame_with_its_aspect_lost(seed: int, height: int, width: int) -> None:
    clip, own = made(pictures(height, width)), width / height
    view = ViewSettings(crop_scale=(1.0, 1.0), crop_aspect=(own, own))
    whole = still(clip, tower(size=16), ViewSettings(resize="squash"))
    np.testing.assert_array_equal(shown(view, clip, seed).frames, whole.frames)


@settings(max_examples=30, deadline=None)
@given(VIEWS, SEEDS, SIDES, SIDES)
def test_without_crop_and_flip_training_sees_what_evaluation_sees(
    view: ViewSettings, seed: int, height: int, width: int
) -> None:
    plain = view.model_copy(update={"flip": 0.0, "crop_scale": None})
    clip = made(pictures(height, width))
    np.testing.assert_array_equal(shown(plain, clip, seed).frames, still(clip, tower(size=16), plain).frames)
    assert not FrameTransform(plain, tower()).draws


@pytest.mark.integration
@pytest.mark.parametrize("aspect", [(1.0, 1.0), (0.5, 3.0), (1.5, 1.6)])
def test_crops_of_any_aspect_have_the_distribution_of_torchvisions(aspect: tuple[float, float]) -> None:
    shape = (120, 160)
    view = FrameTransform(ViewSettings(crop_scale=(0.2, 0.9), crop_aspect=aspect), tower())
    rng = np.random.default_rng(1)
    ours = np.array([view._draw(shape, rng=rng).crop for _ in range(4000)], float)
    torch.manual_seed(2)
    picture = torch.empty(3, *shape)
    theirs = np.array([RandomResizedCrop.get_params(picture, [0.2, 0.9], list(aspect)) for _ in range(4000)], float)
    for column in range(4):
        found = ks_2samp(ours[:, column], theirs[:, column], method="asymp")
        assert found.statistic < 0.055, (column, found)


@pytest.mark.parametrize("aspect", [(0.0, 1.0), (2.0, 1.0)])
def test_an_aspect_that_does_not_rise_from_above_zero_is_refused(aspect: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="crop_aspect must rise from above 0"):
        ViewSettings(crop_aspect=aspect)
