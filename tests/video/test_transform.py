"""One geometry for frames and neighbours: without draws equal to torchvision and open_clip, pixel for pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.view_samples import SIZE, made, pictures, still, tower
from hypothesis import given, settings, strategies as st
from open_clip.transform import image_transform
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from fdakit import RecipeError
from fdakit.settings import ViewSettings
from fdakit.video.transform import FrameTransform, _fitted, _shortest

SHAPES = [
    (240, 320),
    (321, 241),
    (101, 77),
    (30, 200),
    (20, 31),
    (56, 56),
    (56, 57),
    (57, 56),
    (55, 56),
    (3, 2),
    (1, 1),
]


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shortest_is_torchvisions_resize_and_centre_crop(shape, interpolation):
    frames = pictures(*shape)
    theirs = Compose([Resize(SIZE, InterpolationMode(interpolation)), CenterCrop(SIZE)])
    wanted = [np.asarray(theirs(Image.fromarray(frame))) for frame in frames]
    np.testing.assert_array_equal(still(made(frames), tower(interpolation=interpolation)).frames, wanted)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64))
@settings(max_examples=200)
def test_sizes_and_crops_are_torchvisions_whatever_the_shape(height, width, size):
    resized = Resize(size, InterpolationMode.NEAREST, max_size=None)(Image.new("L", (width, height)))
    assert _shortest((height, width), size) == (resized.height, resized.width)
    places = np.arange(1, height * width + 1, dtype=np.int32).reshape(height, width)
    cropped = np.asarray(CenterCrop(size)(Image.fromarray(places)))
    np.testing.assert_array_equal(_fitted(places[None, ..., None], size=size)[0, ..., 0], cropped)


@pytest.mark.parametrize(
    ("aspect", "size"),  # width and height of 101 x 77 pixels that are shown with square ones
    [
        (2.0, (202, 77)),
        (4 / 3, (135, 77)),
        (64 / 45, (144, 77)),
        (1.0, (101, 77)),
        (8 / 9, (101, 87)),
        (0.5, (101, 154)),
    ],
)
@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
def test_pixels_that_are_not_square_are_stretched_where_that_is_asked_for(aspect, size, mode):
    frames = pictures(77, 101)
    clip = replace(made(frames, **{"-1": frames[::-1].copy()}), pixel_aspect=aspect)
    preprocess = tower(resize=mode)
    square = np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)) for frame in frames])
    wanted = still(made(square), preprocess).frames
    shown = still(clip, preprocess, ViewSettings(pixel_aspect=True))
    np.testing.assert_array_equal(shown.frames, wanted)
    np.testing.assert_array_equal(shown.neighbours[-1], wanted[::-1])
    plain = still(clip, preprocess, ViewSettings(pixel_aspect=False)).frames
    np.testing.assert_array_equal(plain, still(made(frames), preprocess).frames)


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_mode_is_open_clips(shape, mode):
    frames = pictures(*shape)
    # Without their tensor and normalisation, which are the last three steps.
    theirs = Compose(image_transform(SIZE, is_train=False, resize_mode=mode).transforms[:-3])
    wanted = [np.asarray(theirs(Image.fromarray(frame))) for frame in frames]
    np.testing.assert_array_equal(still(made(frames), tower(resize=mode)).frames, wanted)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(8, 40), st.sampled_from(["shortest", "longest", "squash"]))
def test_any_shape_becomes_the_size(height, width, size, mode):
    clip = made(pictures(height, width, 1), **{"-1": pictures(height, width, 1)})
    shown = still(clip, tower(size=size, resize=mode))
    assert shown.frames.shape == shown.neighbours[-1].shape == (1, size, size, 3)
    assert shown.frames.dtype == np.uint8
    if mode != "longest":  # theirs shrinks a side to 0 pixels and fails on long shapes
        target = (size, size) if mode == "squash" else size
        theirs = [Resize(target, InterpolationMode.BICUBIC), CenterCrop(size)]
        np.testing.assert_array_equal(shown.frames[0], Compose(theirs)(Image.fromarray(clip.frames[0])))


def test_longest_never_shrinks_a_side_to_nothing():
    assert still(made(pictures(1, 900, 1)), tower(resize="longest")).frames.shape == (1, SIZE, SIZE, 3)


def test_a_clip_of_the_right_size_keeps_its_pixels():
    clip = made(pictures(SIZE, SIZE))
    for mode in ("shortest", "longest", "squash"):
        assert np.shares_memory(still(clip, tower(resize=mode)).frames, clip.frames)


def test_settings_override_the_tower_one_by_one():
    assert FrameTransform(ViewSettings(), tower()).preprocess == tower()
    assert FrameTransform(ViewSettings(size=64, resize="squash"), tower()).preprocess == tower(
        size=64, resize="squash"
    )
    given = ViewSettings(interpolation="bilinear", mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0))
    assert FrameTransform(given, tower()).preprocess == tower(
        interpolation="bilinear", mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0)
    )


@pytest.mark.parametrize("changes", [{"interpolation": "random"}, {"resize": "stretch"}])
def test_unknown_modes_are_refused(changes):
    with pytest.raises(RecipeError, match="set one of"):
        FrameTransform(ViewSettings(), tower(**changes))


def test_draws_says_whether_training_draws():
    assert not FrameTransform(ViewSettings(), tower()).draws
    assert FrameTransform(ViewSettings(flip=0.1), tower()).draws
    assert FrameTransform(ViewSettings(crop_scale=(0.5, 1.0)), tower()).draws


def test_evaluation_draws_nothing():
    clip = made(pictures(90, 120))
    rng = np.random.default_rng(3)
    shown = FrameTransform(ViewSettings(flip=1.0, crop_scale=(0.3, 0.5)), tower())(clip, training=False, rng=rng)
    np.testing.assert_array_equal(shown.frames, still(clip, tower()).frames)
    assert rng.random() == np.random.default_rng(3).random()


@pytest.mark.parametrize(("mode", "size"), [("shortest", (56, 74)), ("longest", (42, 56)), ("squash", (56, 56))])
def test_a_reader_may_scale_unless_every_pixel_is_wanted(mode, size):
    def wanted(training, **settings):
        rule = FrameTransform(ViewSettings(**settings), tower(resize=mode)).wanted_size(training=training)
        return None if rule is None else rule((240, 320))

    for training in (True, False):
        assert wanted(training) == size
        assert wanted(training, flip=0.5) == size
        assert wanted(training, scaler="pillow") is None
        assert wanted(training, pixel_aspect=True) is None
        assert wanted(training, crop_scale=(0.5, 1.0)) == (None if training else size)
