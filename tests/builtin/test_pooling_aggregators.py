"""`max`, `motion-weighted` and `attention-pool`: their formulas, and where each is the plain mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.recipe_fixtures import MakeRecipe

from fdakit.builtin.aggregators.attention_pool import ATTENTION_POOL
from fdakit.builtin.aggregators.max import MAX
from fdakit.builtin.aggregators.mean import MEAN
from fdakit.builtin.aggregators.motion_weighted import MOTION_WEIGHTED
from fdakit.errors import PluginError
from fdakit.features import ClipBatch
from fdakit.inference.factory import build_retriever
from fdakit.plugin import BuildContext, Component, VideoFeatures
from fdakit.testing import check_aggregator, check_exact_step
from fdakit.testing.building import build_part

POOLS = (MAX, MOTION_WEIGHTED, ATTENTION_POOL)
SHAPES, EIGHTS = BuildContext(embedding=12), BuildContext(embedding=16)


def drawn(videos: int = 3, frames: int = 5, width: int = 12) -> VideoFeatures:
    rng = torch.Generator().manual_seed(7)
    valid = torch.arange(frames) < torch.tensor([frames, 2, 1])[:videos, None]
    coverage = torch.rand(videos, frames, generator=rng) * 0.3
    return VideoFeatures(10 * torch.randn(videos, frames, width, generator=rng), valid, coverage=coverage)


def units(features: VideoFeatures, video: int) -> np.ndarray:
    vectors = features.vectors[video, features.valid[video]].double().numpy()
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))


@pytest.mark.parametrize("component", POOLS, ids=lambda c: c.name)
def test_the_contracts_laws_hold(component: Component[Any, Any]) -> None:
    check_aggregator(component)
    check_exact_step(aggregator=component)


@pytest.mark.parametrize("component", POOLS, ids=lambda c: c.name)
def test_a_video_without_a_valid_frame_gives_zeros_and_no_nan(component: Component[Any, Any]) -> None:
    features = drawn(width=16)
    lost = replace(features, valid=features.valid & torch.tensor([[True], [False], [True]]))
    found = build_part(component, shapes=EIGHTS)(lost).vector
    assert (found[1] == 0).all()
    torch.testing.assert_close(found[[0, 2]].norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("component", POOLS, ids=lambda c: c.name)
def test_one_frame_is_its_own_vector(component: Component[Any, Any]) -> None:
    features = drawn(width=16)
    found = build_part(component, shapes=EIGHTS)(features).vector
    np.testing.assert_allclose(found[2].detach().numpy(), units(features, 2)[0], atol=1e-6)


def test_max_equals_the_formula() -> None:
    features = drawn()
    found = build_part(MAX)(features).vector
    for video in range(3):
        np.testing.assert_allclose(found[video].numpy(), unit(units(features, video).max(0)), atol=1e-6)


@pytest.mark.parametrize("floor", [1e-4, 0.02, 0.2])
def test_motion_weighted_equals_the_formula(floor: float) -> None:
    features = drawn()
    found = build_part(MOTION_WEIGHTED, floor=floor)(features).vector
    assert features.coverage is not None
    for video in range(3):
        weights = np.maximum(features.coverage[video, features.valid[video]].double().numpy(), floor)
        wanted = unit((weights[:, None] * units(features, video)).sum(0) / weights.sum())
        np.testing.assert_allclose(found[video].numpy(), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("share", "floor"),
    [(0.0, 0.02), (0.019, 0.02), (1.0, 0.02), (None, 0.02), ("any", 1.0)],
    ids=["no motion", "less than the floor", "full masks", "no coverage", "floor 1"],
)
def test_motion_weighted_is_the_mean(share: float | str | None, floor: float) -> None:
    features = drawn()
    coverage = features.coverage if share == "any" else None
    if isinstance(share, float):
        coverage = torch.full_like(features.valid, share, dtype=torch.float32)
    features = replace(features, coverage=coverage)
    found = build_part(MOTION_WEIGHTED, floor=floor)(features).vector
    torch.testing.assert_close(found, build_part(MEAN)(features).vector)


def test_motion_weighted_lets_no_frame_vanish() -> None:
    """A frame at the floor keeps its part, beside one that is marked whole."""
    features = VideoFeatures(
        torch.eye(2)[None], torch.ones(1, 2, dtype=torch.bool), coverage=torch.tensor([[1.0, 0.0]])
    )
    found = build_part(MOTION_WEIGHTED, floor=0.1)(features).vector
    torch.testing.assert_close(found[0, 1] / found[0, 0], torch.tensor(0.1))


@pytest.mark.parametrize("heads", [1, 2, 12])
def test_attention_pool_begins_as_the_mean_and_learns_each_frames_share(heads: int) -> None:
    features = drawn()
    pool = build_part(ATTENTION_POOL, shapes=SHAPES, heads=heads)
    begun = pool(features)
    torch.testing.assert_close(begun.vector, build_part(MEAN)(features).vector)
    begun.vector[:, 0].sum().backward()
    assert pool.query.grad.abs().max() > 0  # it leaves the mean in the first step
    with torch.no_grad():
        pool.query.add_(1)
    moved = pool(features).vector
    assert (moved[:2] - begun.vector[:2]).abs().amax(1).min() > 1e-3
    torch.testing.assert_close(moved[2], begun.vector[2])  # one frame has all of it


def test_the_shares_of_attention_are_a_softmax_over_the_valid_frames_for_each_head() -> None:
    features = drawn()
    pool = build_part(ATTENTION_POOL, shapes=SHAPES, heads=3)
    with torch.no_grad():
        pool.query.normal_()
        found = pool.shares(torch.nn.functional.normalize(features.vectors, dim=-1), features.valid)
    for video, head in ((0, 0), (0, 2), (1, 1)):
        x = units(features, video)
        x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
        keys = (x @ pool.key.weight.detach().double().numpy().T)[:, head * 4 : head * 4 + 4]
        logits = keys @ pool.query[head].detach().double().numpy() / 2
        wanted = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(found[video, : len(x), head], wanted, atol=1e-5)
        assert (found[video, len(x) :] == 0).all()


def test_heads_that_do_not_divide_the_vector_are_refused() -> None:
    words = r"aggregator\.heads: found 5; .* have 12 values, choose one of 1, 2, 3, 4, 6, 12$"
    with pytest.raises(PluginError, match=words):
        build_part(ATTENTION_POOL, shapes=SHAPES, heads=5)


def test_a_retriever_gives_the_coverage_of_its_alpha_to_the_aggregator(make_recipe: MakeRecipe) -> None:
    """A frame whose alpha is full weighs more than one without, through the towers."""
    retriever = build_retriever(make_recipe(aggregator={"use": "motion-weighted"}), device=torch.device("cpu"))
    size = retriever.preprocess.size
    frames = torch.randint(0, 256, (1, 2, 3, size, size), dtype=torch.uint8)
    alpha = torch.zeros(1, 2, 1, size, size)
    alpha[:, 0] = 1
    clips = ClipBatch(frames, torch.ones(1, 2, dtype=torch.bool), torch.arange(2.0)[None].double())
    with torch.no_grad():
        features = retriever.encode_videos(clips, alpha)
        assert features.coverage is not None
        assert features.coverage.tolist() == [[1.0, 0.0]]
        found = retriever.aggregate(features).vector[0]
    first, second = torch.nn.functional.normalize(features.vectors[0], dim=-1)
    assert found @ first > found @ second
