"""Every matcher of fdakit's own, against a plain telling in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from fdakit.builtin.matchers.cosine import COSINE
from fdakit.builtin.matchers.dot import DOT
from fdakit.builtin.matchers.max_cosine import MAX_COSINE
from fdakit.builtin.matchers.max_sim import MAX_SIM
from fdakit.builtin.matchers.mean_max_sim import MEAN_MAX_SIM
from fdakit.plugin import BuildContext, InnerProduct, TextFeatures, VideoFeatures
from fdakit.testing import build_part, check_exact_step, check_matcher

ALL = (COSINE, DOT, MAX_COSINE, MAX_SIM, MEAN_MAX_SIM)


@st.composite
def drawn(draw: st.DrawFn) -> tuple[TextFeatures, VideoFeatures]:
    texts, videos, tokens, vectors, width = (draw(st.integers(1, 5)) for _ in range(5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    mask = np.arange(tokens) < rng.integers(1, tokens + 1, texts)[:, None]
    valid = np.arange(vectors) < rng.integers(1, vectors + 1, videos)[:, None]

    def of(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.normal(size=shape).astype(np.float32))

    asked = TextFeatures(of(texts, width), of(texts, tokens, width), torch.from_numpy(mask))
    return asked, VideoFeatures(of(videos, vectors, width), torch.from_numpy(valid))


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))


def best(texts: TextFeatures, videos: VideoFeatures, text: int, video: int) -> list[float]:
    """The best cosine of each real token of a text among the valid vectors of a video."""
    assert texts.tokens is not None
    assert texts.mask is not None
    tokens = texts.tokens[text][texts.mask[text]].double().numpy()
    vectors = videos.vectors[video][videos.valid[video]].double().numpy()
    return [max(cosine(token, vector) for vector in vectors) for token in tokens]


@given(drawn())
@settings(deadline=None)
def test_late_interaction_equals_its_formula(features: tuple[TextFeatures, VideoFeatures]) -> None:
    texts, videos = features
    for part, end in ((MAX_SIM, np.sum), (MEAN_MAX_SIM, np.mean)):
        found = build_part(part).score(texts, videos)
        wanted = [
            [float(end(best(texts, videos, q, v))) for v in range(len(videos.vectors))]
            for q in range(len(texts.vectors))
        ]
        np.testing.assert_allclose(found, wanted, atol=1e-5)


@given(drawn())
@settings(deadline=None)
def test_one_vector_matchers_equal_their_formulas_and_are_inner_products(
    features: tuple[TextFeatures, VideoFeatures],
) -> None:
    texts, videos = features[0], VideoFeatures.of_clips(features[1].vectors[:, 0])
    left, right = texts.vectors.double().numpy(), videos.vector.double().numpy()
    for part, formula in ((COSINE, cosine), (DOT, np.dot)):
        matcher = build_part(part)
        found = matcher.score(texts, videos)
        np.testing.assert_allclose(found, [[formula(q, v) for v in right] for q in left], atol=1e-5)
        assert isinstance(matcher, InnerProduct)
        product = matcher.product_vectors(texts.vectors) @ matcher.product_vectors(videos.vector).T
        assert torch.equal(found, product)


@given(drawn())
@settings(deadline=None)
def test_max_cosine_is_the_best_of_the_valid_vectors(features: tuple[TextFeatures, VideoFeatures]) -> None:
    texts, videos = features
    left, right = texts.vectors.double().numpy(), videos.vectors.double().numpy()
    valid = videos.valid.numpy()
    wanted = [[max(cosine(q, one) for one in v[ok]) for v, ok in zip(right, valid, strict=True)] for q in left]
    found = build_part(MAX_COSINE).score(texts, videos)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_max_cosine_of_one_vector_a_video_is_the_cosine() -> None:
    texts, videos = TextFeatures(torch.randn(3, 4)), VideoFeatures.of_clips(torch.randn(5, 4))
    torch.testing.assert_close(build_part(MAX_COSINE).score(texts, videos), build_part(COSINE).score(texts, videos))


def test_the_gradient_of_max_cosine_reaches_the_best_vector_alone() -> None:
    texts = TextFeatures(torch.tensor([[1.0, 0.2]]))
    vectors = torch.eye(2)[None].clone().requires_grad_()
    build_part(MAX_COSINE).score(texts, VideoFeatures(vectors, torch.ones(1, 2, dtype=torch.bool))).sum().backward()
    assert vectors.grad is not None
    assert vectors.grad[0].any(1).tolist() == [True, False]


def test_a_video_without_a_valid_vector_is_worse_than_the_worst() -> None:
    videos = VideoFeatures(torch.ones(2, 1, 4), torch.tensor([[True], [False]]))
    found = build_part(MAX_COSINE).score(TextFeatures(torch.tensor([[-1.0, -1, -1, 0]])), videos)
    assert found[0, 1] == -1 < found[0, 0]


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_the_contracts_laws_hold(part: Any) -> None:
    check_matcher(part)


@pytest.mark.parametrize("part", [MAX_SIM, MEAN_MAX_SIM], ids=lambda part: part.name)
def test_gradient_reaches_tokens_and_vectors(part: Any) -> None:
    texts = TextFeatures(torch.randn(2, 4), torch.randn(2, 3, 4).requires_grad_(), torch.ones(2, 3, dtype=torch.bool))
    videos = VideoFeatures(torch.randn(2, 5, 4).requires_grad_(), torch.ones(2, 5, dtype=torch.bool))
    build_part(part).score(texts, videos).sum().backward()
    assert texts.tokens is not None
    assert texts.tokens.grad is not None
    assert texts.tokens.grad.abs().sum() > 0
    assert videos.vectors.grad is not None
    assert videos.vectors.grad.abs().sum() > 0


def test_several_vectors_are_no_cosine() -> None:
    texts, videos = TextFeatures(torch.ones(1, 4)), VideoFeatures(torch.ones(1, 2, 4), torch.ones(1, 2).bool())
    with pytest.raises(ValueError, match=r"wanted one vector a video, \(v, 1, d\)"):
        build_part(COSINE).score(texts, videos)


LEARNED = [{"projection": True}, {"weighted": True}, {"projection": True, "weighted": True}]


@pytest.mark.parametrize("options", LEARNED, ids=lambda options: "+".join(options))
@pytest.mark.parametrize("part", [MAX_SIM, MEAN_MAX_SIM], ids=lambda part: part.name)
def test_the_contracts_laws_hold_for_late_interaction_that_learns(part: Any, options: dict[str, bool]) -> None:
    check_matcher(part, **options)
    check_exact_step(matcher=part, **options)


@given(drawn())
@settings(deadline=None)
def test_late_interaction_that_learns_begins_as_that_without_weights(
    features: tuple[TextFeatures, VideoFeatures],
) -> None:
    texts, videos = features
    shapes = BuildContext(embedding=videos.vectors.shape[-1])
    for part in (MAX_SIM, MEAN_MAX_SIM):
        wanted = build_part(part).score(texts, videos)
        for options in LEARNED:
            found = build_part(part, shapes, **options).score(texts, videos)
            torch.testing.assert_close(found.detach(), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("part", "total"), [(MAX_SIM, 2.0), (MEAN_MAX_SIM, 1.0)], ids=["sum", "mean"])
def test_a_token_that_is_weighted_up_counts_for_nearly_all(part: Any, total: float) -> None:
    tokens = torch.eye(2).unsqueeze(0)
    texts = TextFeatures(tokens.mean(1), tokens, torch.ones(1, 2, dtype=torch.bool))
    videos = VideoFeatures(tokens[:, :1], torch.ones(1, 1, dtype=torch.bool))
    matcher = build_part(part, BuildContext(embedding=2), weighted=True)
    assert float(matcher.score(texts, videos).detach()) == pytest.approx(total / 2)
    with torch.no_grad():
        matcher.weight.copy_(torch.tensor([20.0, 0.0]))
    assert float(matcher.score(texts, videos).detach()) == pytest.approx(total)


def test_maps_of_tokens_and_vectors_act_on_either() -> None:
    tokens = torch.eye(2)[None, :1]
    texts = TextFeatures(tokens[:, 0], tokens, torch.ones(1, 1, dtype=torch.bool))
    videos = VideoFeatures(torch.eye(2)[None, 1:], torch.ones(1, 1, dtype=torch.bool))
    for name in ("tokens", "vectors"):
        matcher = build_part(MEAN_MAX_SIM, BuildContext(embedding=2), projection=True)
        assert float(matcher.score(texts, videos).detach()) == pytest.approx(0)
        with torch.no_grad():
            getattr(matcher, name).weight.copy_(torch.eye(2).flip(0))
        assert float(matcher.score(texts, videos).detach()) == pytest.approx(1)
