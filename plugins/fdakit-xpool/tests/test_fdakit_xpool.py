"""X-Pool: the laws of a matcher, the paper's formula told plainly in double precision, and where it begins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fdakit_xpool import XPOOL
from numpy.typing import NDArray

from fdakit.plugin import BuildContext, PluginError, TextFeatures, VideoFeatures
from fdakit.testing import build_part, check_exact_step, check_matcher

WIDTH = 16
SHAPES = BuildContext(embedding=WIDTH)
Numbers = NDArray[np.float64]


def xpool(*, drawn: bool = False, **options: Any) -> Any:
    """The matcher as evaluation has it, with weights drawn at random if asked."""
    draw = torch.Generator().manual_seed(0)
    matcher = build_part(XPOOL, SHAPES, **options).eval()
    if drawn:
        with torch.no_grad():
            for weight in matcher.parameters():
                weight.add_(0.3 * torch.randn(weight.shape, generator=draw))
    return matcher


def features(texts: int = 3, videos: int = 4, frames: int = 5) -> tuple[TextFeatures, VideoFeatures]:
    draw = torch.Generator().manual_seed(1)
    vectors = torch.randn(videos, frames, WIDTH, generator=draw)
    valid = torch.arange(frames) < torch.tensor([2, frames, 1, 4][:videos]).unsqueeze(1)
    return TextFeatures(torch.randn(texts, WIDTH, generator=draw)), VideoFeatures(vectors, valid)


def linear(layer: torch.nn.Linear, values: Numbers) -> Numbers:
    weight, bias = (one.detach().double().numpy() for one in (layer.weight, layer.bias))
    return np.asarray(values @ weight.T + bias)


def norm(layer: torch.nn.LayerNorm, values: Numbers) -> Numbers:
    centred = values - values.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + layer.eps)
    return np.asarray(scaled * layer.weight.detach().double().numpy() + layer.bias.detach().double().numpy())


def told_plainly(matcher: Any, text: Numbers, frames: Numbers, heads: int) -> float:
    """Section 3.3 of the paper, for one text and the valid frames of one video."""
    query = linear(matcher.query, norm(matcher.norm_inputs, text))
    key, value = (linear(layer, norm(matcher.norm_inputs, frames)) for layer in (matcher.key, matcher.value))
    pooled: list[Numbers] = []
    for part in np.split(np.arange(WIDTH), heads):
        logits = key[:, part] @ query[part] / np.sqrt(len(part))
        weights = np.exp(logits) / np.exp(logits).sum()
        pooled.append(weights @ value[:, part])
    seen = norm(matcher.norm_pooled, linear(matcher.output, np.concatenate(pooled)))
    found = norm(matcher.norm_output, seen + linear(matcher.feed_forward, seen))
    return float(text @ found / np.sqrt((text @ text) * (found @ found)))


@pytest.mark.parametrize("heads", [1, 4])
def test_the_laws_of_a_matcher_hold(heads: int) -> None:
    check_matcher(XPOOL, heads=heads)
    check_exact_step(matcher=XPOOL, heads=heads)


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("drawn", [False, True], ids=["as it begins", "with other weights"])
def test_the_score_is_that_of_the_papers_formula(heads: int, drawn: bool) -> None:
    matcher, (texts, videos) = xpool(drawn=drawn, heads=heads), features()
    found = matcher.score(texts, videos).detach()
    wanted = [
        [
            told_plainly(matcher, text.double().numpy(), video[valid].double().numpy(), heads)
            for video, valid in zip(videos.vectors, videos.valid, strict=True)
        ]
        for text in texts.vectors
    ]
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_before_training_a_single_frame_is_compared_as_it_is_but_for_its_mean() -> None:
    texts, videos = features(videos=1, frames=1)
    centred = [one - one.mean(-1, keepdim=True) for one in (texts.vectors, videos.vectors[:, 0])]
    wanted = torch.cosine_similarity(texts.vectors, centred[1], dim=-1)
    torch.testing.assert_close(xpool().score(texts, videos).detach()[:, 0], wanted)


def test_a_text_looks_at_the_frame_that_it_tells_of() -> None:
    frames = 3 * torch.eye(5, WIDTH)
    texts, videos = TextFeatures(frames[[3, 0]]), VideoFeatures(frames[None], torch.ones(1, 5, dtype=torch.bool))
    weights = xpool().weights(texts.vectors, videos).detach()[:, 0, :, 0]
    torch.testing.assert_close(weights.sum(-1), torch.ones(2))
    assert weights.argmax(-1).tolist() == [3, 0]
    assert weights.amax(-1).min() > 0.9


def test_dropout_acts_in_training_alone() -> None:
    matcher, (texts, videos) = xpool(dropout=0.5), features()
    assert torch.equal(matcher.score(texts, videos), matcher.score(texts, videos))
    matcher.train()
    assert not torch.equal(matcher.score(texts, videos), matcher.score(texts, videos))


def test_heads_that_do_not_divide_the_embedding_are_refused() -> None:
    with pytest.raises(PluginError, match=r"heads = 3 does not divide the encoder's embedding of 16; set a"):
        build_part(XPOOL, SHAPES, heads=3)
