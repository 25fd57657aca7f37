"""`check_matcher`: matchers of vectors, of many and of tokens keep it; each assertion rejects one that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.sample_plugins import component
from torch.nn.functional import normalize

from fdakit.catalog import load_catalog
from fdakit.plugin import TextFeatures, VideoFeatures
from fdakit.testing import check_matcher
from fdakit.testing.examples import example_texts

OFFERED = [pytest.param(offer.component, id=offer.component.name) for offer in load_catalog().of_kind("matcher")]
FIRST = example_texts(3).vectors[0]
Score = Callable[[TextFeatures, VideoFeatures], torch.Tensor]


@pytest.mark.parametrize("matcher", OFFERED)
def test_every_matcher_keeps_the_laws(matcher: Any) -> None:
    check_matcher(matcher)


class Matching:
    """A matcher made of a function."""

    def __init__(self, score: Score, stores: str = "vector", needs_tokens: bool = False) -> None:
        self._score = score
        self.stores, self.needs_tokens = stores, needs_tokens

    def score(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        return self._score(texts, videos)


def dot(texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
    return texts.vectors @ videos.vector.T


def best(texts: TextFeatures, videos: VideoFeatures, *, masked: bool = True, empty: float = -9.0) -> torch.Tensor:
    """The best inner product among the valid vectors."""
    products = torch.einsum("qd,vmd->qvm", texts.vectors, videos.vectors)
    return (products.masked_fill(~videos.valid, empty) if masked else products).amax(-1)


def by_tokens(texts: TextFeatures, videos: VideoFeatures, *, masked: bool = True) -> torch.Tensor:
    """The mean over tokens of the best inner product."""
    assert texts.tokens is not None
    assert texts.mask is not None
    products = torch.einsum("qld,vmd->qvlm", texts.tokens, videos.vectors)
    found = products.masked_fill(~videos.valid[:, None, :], -9.0).amax(-1)
    mask = texts.mask if masked else torch.ones_like(texts.mask)
    return (found * mask.unsqueeze(1)).sum(-1) / mask.sum(-1, keepdim=True)


def mean_of_all(texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
    """Divides by the number of vectors, whether they are valid or not."""
    products = torch.einsum("qd,vmd->qvm", texts.vectors, videos.vectors)
    return (products * videos.valid).mean(-1)


def tokens_of_all(texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
    """Divides by the number of tokens, whether they only pad or not."""
    assert texts.mask is not None
    return by_tokens(texts, videos) * (texts.mask.sum(-1, keepdim=True) / texts.mask.shape[1])


def grown(texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
    """Changes what it is given while it trains."""
    found = dot(texts, videos)
    if found.requires_grad:
        videos.vectors.data.mul_(1.5)
    return found


def peeking(texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
    return dot(texts, videos) + (0.0 if texts.tokens is None else texts.tokens.sum((1, 2))[:, None])


def in_order(texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
    """Adds something if all texts are there and the first is not."""
    moved = len(texts.vectors) == 3 and not torch.equal(texts.vectors[0], FIRST)
    return dot(texts, videos) + 0.5 * moved


class Product(Matching):
    def product_vectors(self, vectors: torch.Tensor) -> torch.Tensor:
        return normalize(vectors, dim=-1)


def test_matchers_of_every_level_keep_the_laws() -> None:
    for made in (Matching(dot), Matching(best, "vectors"), Matching(by_tokens, "vectors", needs_tokens=True)):
        check_matcher(component(build=lambda options, shapes, made=made: made))


@pytest.mark.parametrize(
    ("matcher", "words"),
    [
        (Matching(dot, "all"), "stores is 'all'; wanted 'vector' or 'vectors' or 'nothing'"),
        (Matching(dot, needs_tokens=1), "needs_tokens is 1; wanted True or False"),  # type: ignore[arg-type]
        (Matching(lambda texts, videos: dot(texts, videos).T), r"scores \(4, 3\); wanted \(3, 4\)"),
        (Matching(lambda texts, videos: dot(texts, videos) / 0), "scores are not finite$"),
        (Matching(lambda texts, videos: dot(texts, videos).softmax(0)), r"other texts or videos \(texts 0 to 0"),
        (Matching(lambda texts, videos: dot(texts, videos).softmax(1)), r"other texts or videos \(texts 0 to 0"),
        (Matching(in_order), "depends on the order of texts or videos"),
        (Matching(lambda texts, videos: best(texts, videos, masked=False), "vectors"), "^invalid vectors count"),
        (Matching(mean_of_all, "vectors"), "the number of invalid vectors counts"),
        (
            Matching(lambda texts, videos: by_tokens(texts, videos, masked=False), "vectors", needs_tokens=True),
            "^padded tokens count",
        ),
        (Matching(tokens_of_all, "vectors", needs_tokens=True), "the number of padded tokens counts"),
        (Matching(best, "vectors", needs_tokens=True), "needs_tokens is true, but other tokens score the same"),
        (Matching(peeking), "needs_tokens is false, but texts with tokens score otherwise"),
        (Matching(lambda t, v: best(t, v, empty=-torch.inf), "vectors"), "beside a video without a valid vector"),
        (Product(dot), r"inner products of product_vectors\(\) are not the scores"),
        (Matching(lambda texts, videos: dot(texts, videos).detach()), "the scores have no gradient"),
        (
            Matching(lambda texts, videos: texts.vectors @ videos.vector.detach().T),
            "no gradient reaches the videos",
        ),
        (Matching(lambda texts, videos: texts.vectors.detach() @ videos.vector.T), "no gradient reaches the texts"),
    ],
)
def test_a_matcher_that_breaks_a_law_is_rejected(matcher: Matching, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_matcher(component(build=lambda options, shapes: matcher))


def test_a_matcher_that_changes_its_features_is_rejected() -> None:
    with pytest.raises(AssertionError, match="it changed its features"):
        check_matcher(component(build=lambda options, shapes: Matching(grown)))
