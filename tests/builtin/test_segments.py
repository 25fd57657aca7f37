"""`segments`: which frames a part holds, its vector, and the parts that hold none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from fdakit.builtin.aggregators.mean import MEAN
from fdakit.builtin.aggregators.segments import SEGMENTS
from fdakit.plugin import VideoFeatures
from fdakit.testing import check_aggregator, check_exact_step
from fdakit.testing.building import build_part


def marked(frames: int, *, of: int) -> VideoFeatures:
    """One video whose valid frames are the axes of space, so that a vector tells which of them it holds."""
    vectors = torch.zeros(1, of, of)
    vectors[0, :frames, :frames] = torch.eye(frames)
    return VideoFeatures(vectors, torch.arange(of)[None] < frames)


def held(frames: int, segments: int, *, padding: int = 0) -> list[list[int]]:
    """The frames that each part of a video holds."""
    found = build_part(SEGMENTS, segments=segments)(marked(frames, of=frames + padding))
    assert found.vectors.shape == (1, segments, frames + padding)
    assert torch.equal(found.valid[0], found.vectors[0].any(1))
    return [part.nonzero().flatten().tolist() for part in found.vectors[0]]


@pytest.mark.parametrize("segments", [1, 4, 7])
def test_the_contracts_laws_hold(segments: int) -> None:
    check_aggregator(SEGMENTS, segments=segments)


def test_steps_in_chunks_and_on_processes_are_those_of_the_whole_batch() -> None:
    check_exact_step(aggregator=SEGMENTS)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_parts_hold_all_frames_in_order_and_nearly_as_many_each(frames: int, segments: int, padding: int) -> None:
    found = held(frames, segments, padding=padding)
    assert [frame for part in found for frame in part] == list(range(frames))
    sizes = [len(part) for part in found]
    assert max(sizes) - min(sizes) <= 1


def test_known_parts() -> None:
    assert held(8, 4) == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert held(5, 2) == [[0, 1, 2], [3, 4]]
    assert held(2, 4) == [[0], [], [1], []]  # parts without a frame are not valid


def test_frames_without_a_vector_take_no_place_among_the_others() -> None:
    features = VideoFeatures(torch.eye(4)[None], torch.tensor([[True, False, True, True]]))
    found = build_part(SEGMENTS, segments=3)(features)
    assert torch.equal(found.vectors[0], torch.eye(4)[[0, 2, 3]])


def test_a_part_is_the_mean_of_unit_vectors_with_length_1() -> None:
    lengths = torch.tensor([9, 1, 1, 1, 1, 0.1])[:, None]
    vectors = lengths * torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(3))
    features = VideoFeatures(vectors, torch.ones(2, 6, dtype=torch.bool))
    found = build_part(SEGMENTS, segments=2)(features)
    rows = vectors.double().numpy()
    units = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    for part, frames in enumerate((slice(0, 3), slice(3, 6))):
        sums = units[:, frames].sum(1)
        wanted = sums / np.linalg.norm(sums, axis=-1, keepdims=True)
        np.testing.assert_allclose(found.vectors[:, part].numpy(), wanted, atol=1e-6)
    whole = build_part(SEGMENTS, segments=1)(features)
    torch.testing.assert_close(whole.vectors, build_part(MEAN)(features).vectors)


def test_a_video_without_a_valid_frame_has_no_part_and_no_nan() -> None:
    features = VideoFeatures(torch.full((1, 3, 4), torch.nan), torch.zeros(1, 3, dtype=torch.bool))
    found = build_part(SEGMENTS)(features)
    assert not found.valid.any()
    assert torch.equal(found.vectors, torch.zeros(1, 4, 4))


def test_half_precision_vectors_are_pooled_in_single() -> None:
    features = VideoFeatures(torch.randn(2, 3, 4).bfloat16(), torch.ones(2, 3, dtype=torch.bool))
    assert build_part(SEGMENTS)(features).vectors.dtype == torch.float32
