"""The law of the exact step: what is right passes, and each way to be wrong is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from fdakit.builtin.aggregators.mean import MEAN
from fdakit.builtin.matchers.cosine import COSINE
from fdakit.builtin.matchers.mean_max_sim import MEAN_MAX_SIM
from fdakit.builtin.objectives.symmetric_contrastive import SYMMETRIC_CONTRASTIVE
from fdakit.plugin import Batch, Component, Gives, Options, PairFeatures, Stores, TextFeatures, VideoFeatures
from fdakit.testing import check_exact_step


class Nothing(Options):
    """No options."""


def part(make: Any) -> Component[Any, Any]:
    return Component("tried", "under trial", Nothing, lambda options, shapes: make())


class Words(nn.Module):
    """A mean over the tokens of all captions; pairs alone, unless `meet`, and counted right, unless `miscounts`."""

    over = "pairs"

    def __init__(self, *, meet: bool = False, miscounts: bool = False) -> None:
        super().__init__()
        self.weight, self.meet, self.miscounts = nn.Parameter(torch.ones(16)), meet, miscounts

    def count(self, texts: TextFeatures, batch: Batch) -> torch.Tensor | float:
        assert texts.mask is not None
        return len(batch.ids) if self.miscounts else texts.mask.sum()

    def forward(self, pairs: PairFeatures) -> Mapping[str, torch.Tensor]:
        assert pairs.texts.tokens is not None
        assert pairs.texts.mask is not None
        videos = pairs.videos.vector.roll(1, 0) if self.meet else pairs.videos.vector
        near = torch.einsum("qld,qd,d->ql", pairs.texts.tokens, videos, self.weight)
        return {"words": ((4 * near).sigmoid() * pairs.texts.mask).sum() / pairs.texts.mask.sum()}


class Norm(nn.Module):
    """An aggregator with batch norm, which sees the whole batch."""

    gives: Gives = "vector"

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(16)

    def forward(self, features: VideoFeatures) -> VideoFeatures:
        return VideoFeatures.of_clips(self.norm(features.vectors.mean(1)))


class Weighted(nn.Module):
    """A matcher with weights, over the vectors of a video."""

    stores: Stores = "vectors"
    needs_tokens = False

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(16))

    def score(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        near = torch.einsum("qd,de,vme->qvm", texts.vectors, self.weight, videos.vectors)
        return near.masked_fill(~videos.valid, -1e3).logsumexp(-1)


class Pixels(nn.Module):
    """An objective over the batch that looks at pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, pairs: PairFeatures) -> Mapping[str, torch.Tensor]:
        return {"light": pairs.scores.mean() * self.weight + pairs.batch.frames.float().mean()}


def test_what_is_exact_passes() -> None:
    check_exact_step(objective=SYMMETRIC_CONTRASTIVE)
    check_exact_step(objective=part(Words))
    check_exact_step(aggregator=MEAN)
    check_exact_step(aggregator=part(Norm))
    check_exact_step(matcher=MEAN_MAX_SIM)
    check_exact_step(matcher=COSINE)
    check_exact_step(matcher=part(Weighted))


def test_one_part_is_tried_at_a_time() -> None:
    with pytest.raises(AssertionError, match="give one part: an objective, an aggregator or a matcher"):
        check_exact_step(aggregator=MEAN, matcher=COSINE)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Words(meet=True), "differs by"),
        (lambda: Words(miscounts=True), "differs by"),
        (Pixels, "under trial failed at step 1: loss 'light' looks at pixels"),
    ],
    ids=["pairs meet", "counts otherwise", "looks at pixels"],
)
def test_what_is_not_is_told(make: Any, words: str) -> None:
    with pytest.raises(Exception, match=words):
        check_exact_step(objective=part(make))
