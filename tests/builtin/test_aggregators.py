"""`mean`: unit frames, mean over the valid ones, unit again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from fdakit.builtin.aggregators.mean import MEAN
from fdakit.builtin.aggregators.none import NONE
from fdakit.plugin import VideoFeatures
from fdakit.testing.building import build_part
from fdakit.testing.vectors import check_aggregator


@st.composite
def drawn_frames(draw: st.DrawFn) -> VideoFeatures:
    videos, frames, width = draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    lengths = rng.integers(1, frames + 1, videos)
    valid = np.arange(frames) < lengths[:, None]
    vectors = rng.normal(size=(videos, frames, width)) * 10.0 ** rng.integers(-3, 4, (videos, frames, 1))
    return VideoFeatures(torch.from_numpy(vectors.astype(np.float32)), torch.from_numpy(valid))


def told(vectors: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """One video `(t, d)` after the formula, in double precision."""
    units = [v / np.sqrt((v * v).sum()) for v, ok in zip(vectors.astype(np.float64), valid, strict=True) if ok]
    mean = sum(units) / len(units)
    return mean / np.sqrt((mean * mean).sum())


@given(drawn_frames())
@settings(deadline=None)
def test_it_equals_the_formula(frames: VideoFeatures) -> None:
    found = build_part(MEAN)(frames).vector
    for one, vectors, valid in zip(found.numpy(), frames.vectors.numpy(), frames.valid.numpy(), strict=True):
        mean = sum(v / np.linalg.norm(v) for v in vectors[valid].astype(np.float64)) / valid.sum()
        if np.linalg.norm(mean) > 1e-3:  # frames that cancel out leave nothing but rounding
            np.testing.assert_allclose(one, told(vectors, valid), atol=1e-4)


def test_long_frame_vectors_weigh_no_more_than_short_ones() -> None:
    vectors = torch.tensor([[[100.0, 0.0], [0.0, 0.01]]])
    found = build_part(MEAN)(VideoFeatures(vectors, torch.tensor([[True, True]])))
    torch.testing.assert_close(found.vector, torch.full((1, 2), 0.5**0.5))


def test_the_contracts_laws_hold() -> None:
    check_aggregator(MEAN)
    check_aggregator(NONE)


def test_none_gives_the_features_as_they_are() -> None:
    frames = VideoFeatures(torch.randn(2, 3, 4), torch.ones(2, 3, dtype=torch.bool))
    assert build_part(NONE)(frames) is frames


def test_a_video_without_a_valid_frame_gives_zeros_and_no_nan() -> None:
    frames = VideoFeatures(torch.randn(2, 3, 4), torch.tensor([[True, True, True], [False, False, False]]))
    found = build_part(MEAN)(frames).vector
    assert found[0].norm() == pytest.approx(1)
    assert (found[1] == 0).all()


def test_half_precision_vectors_are_pooled_in_single() -> None:
    frames = VideoFeatures(torch.randn(2, 3, 4), torch.ones(2, 3, dtype=torch.bool))
    half = VideoFeatures(frames.vectors.bfloat16(), frames.valid)
    assert build_part(MEAN)(half).vector.dtype == torch.float32
