"""Luma and motion vectors go through the same geometry as the frames they belong to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from helpers.view_samples import made, pictures, tower
from hypothesis import given, settings, strategies as st

from fdakit.settings import ViewSettings
from fdakit.video.transform import FrameTransform

SIZE = 64


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.tuples(st.integers(80, 200), st.integers(80, 200)),
    st.tuples(st.floats(0.3, 0.7), st.floats(0.3, 0.7)),
    st.sampled_from(["shortest", "squash", "longest"]),
    st.sampled_from([1.0, 0.75, 4 / 3]),
    st.booleans(),
)
def test_a_vector_stays_on_the_block_it_belongs_to(seed, shape, place, mode, aspect, crops):
    height, width = shape
    y, x = int(place[0] * height), int(place[1] * width)
    frames = np.zeros((1, height, width, 3), np.uint8)
    frames[0, y - 8 : y + 8, x - 8 : x + 8] = 255
    vectors = np.array([[x, y, 16, 16, 8, 4]], np.float32)
    clip = replace(made(frames), motion_vectors=(vectors,), pixel_aspect=aspect)
    chosen = ViewSettings(flip=0.5, crop_scale=(0.6, 1.0) if crops else None, pixel_aspect=True)
    view = FrameTransform(chosen, tower(size=SIZE, resize=mode, interpolation="bilinear"))
    shown = view(clip, training=True, rng=np.random.default_rng(seed))
    ((cx, cy, wide, high, dx, dy),) = shown.motion_vectors[0]
    light = shown.frames[0, ..., 0] / 255
    assert abs(abs(dx) - wide / 2) < 1e-4
    assert abs(dy - high / 4) < 1e-4
    inside = wide / 2 < cx < SIZE - wide / 2 and high / 2 < cy < SIZE - high / 2
    if inside and light.sum() > 4:
        rows, columns = np.indices(light.shape) + 0.5
        assert abs((columns * light).sum() / light.sum() - cx) < 1
        assert abs((rows * light).sum() / light.sum() - cy) < 1
        assert abs(light.sum() / (wide * high) - 1) < 0.35


def test_a_mirrored_picture_moves_the_other_way():
    vectors = np.array([[10, 20, 8, 8, 3, -1]], np.float32)
    clip = replace(made(pictures(SIZE, SIZE, 1)), motion_vectors=(vectors,))
    view = FrameTransform(ViewSettings(flip=1.0), tower(size=SIZE))
    shown = view(clip, training=True, rng=np.random.default_rng(0))
    np.testing.assert_allclose(shown.motion_vectors[0], [[SIZE - 10, 20, 8, 8, -3, -1]])


def test_frames_without_vectors_stay_so_and_clips_without_them_too():
    clip = made(pictures(90, 120, 2))
    view = FrameTransform(ViewSettings(), tower(size=SIZE))
    assert view(clip, training=False, rng=np.random.default_rng(0)).motion_vectors is None
    none = replace(clip, motion_vectors=(None, None))
    assert view(none, training=False, rng=np.random.default_rng(0)).motion_vectors == (None, None)


def test_luma_follows_the_frames_pixel_by_pixel():
    frames = np.repeat(pictures(90, 120)[..., :1], 3, axis=3)
    clip = replace(made(frames), luma={0: frames[..., 0], -1: frames[::-1, ..., 0]})
    view = FrameTransform(ViewSettings(flip=0.5, crop_scale=(0.5, 1.0)), tower(size=SIZE))
    shown = view(clip, training=True, rng=np.random.default_rng(3))
    np.testing.assert_array_equal(shown.luma[0], shown.frames[..., 0])
    np.testing.assert_array_equal(shown.luma[-1], shown.frames[::-1, ..., 0])
