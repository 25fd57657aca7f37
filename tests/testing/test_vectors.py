"""What `check_aggregator`, `check_objective` and `check_metric` ask beside the first laws, and what breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.sample_plugins import component

from fdakit.plugin import Ranking, Scores, VideoFeatures
from fdakit.testing import check_aggregator, check_metric, check_objective, check_rescorer


def offering(made: Any) -> Any:
    return component(build=lambda options, shapes: made)


class Pool:
    """An aggregator made of a function."""

    def __init__(self, pool: Callable[[VideoFeatures], VideoFeatures], gives: str = "vectors") -> None:
        self._pool = pool
        self.gives = gives

    def __call__(self, features: VideoFeatures) -> VideoFeatures:
        return self._pool(features)


def grown(features: VideoFeatures) -> VideoFeatures:
    features.vectors.mul_(2)
    return features


def halved(features: VideoFeatures) -> VideoFeatures:
    """The first half of the places, valid or not."""
    half = (features.valid.shape[1] + 1) // 2
    return VideoFeatures(features.vectors[:, :half], features.valid[:, :half], features.kind)


def of_frames(features: VideoFeatures) -> VideoFeatures:
    return features if features.kind == "frame" else replace(features, vectors=features.vectors / 0)


def spread(features: VideoFeatures) -> VideoFeatures:
    """Divides by the spread over the vectors of a video."""
    return replace(features, vectors=features.vectors / features.vectors.std(1, keepdim=True).clamp(max=1))


def beside(features: VideoFeatures) -> VideoFeatures:
    """Adds something if the batch has four videos, whatever their order."""
    return replace(features, vectors=features.vectors + (len(features.vectors) == 4))


def covered(features: VideoFeatures) -> VideoFeatures:
    """Scales by the coverage of all frames, padded ones too."""
    assert features.coverage is not None
    return replace(features, vectors=features.vectors * features.coverage.sum(1)[:, None, None])


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        (Pool(grown), "the aggregator changed its features"),
        (Pool(lambda f: covered(f) if f.coverage is not None else f), "as those of padded frames, change the result"),
        (Pool(lambda f: f if f.coverage is not None else grown(f)), "the aggregator changed its features"),
        (Pool(halved), "invalid vectors, as those of padded frames, change what is valid"),
        (Pool(of_frames), "vectors are not finite$"),
        (Pool(lambda f: replace(f, vectors=f.vectors / (f.vectors.shape[1] > 1))), "where a video has only one"),
        (Pool(beside), "the other videos of a batch change the result"),
        (Pool(lambda f: replace(f, vectors=f.vectors.round().detach().requires_grad_())), "reaches the features"),
    ],
)
def test_an_aggregator_that_breaks_a_law_is_rejected(pool: Pool, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_aggregator(offering(pool))


class Pulling:
    """Minus the inner product of each pair, a mean over pairs; `scale` and `count` may spoil that."""

    over = "pairs"

    def __init__(self, *, count: Callable[[int], float] = float, spoil: Callable[[Any], Any] | None = None) -> None:
        self._count = count
        self._spoil = spoil or (lambda loss: loss)

    def count(self, texts: Any, batch: Any) -> float:
        return self._count(len(batch.ids))

    def __call__(self, pairs: Any) -> Any:
        return {"pull": self._spoil(-(pairs.videos.vector * pairs.texts.vectors).sum(-1))}


def pulling(loss: torch.Tensor) -> torch.Tensor:
    return loss.mean()


class Chancy:
    def __init__(self, chance: Any) -> None:
        self.chance = chance

    def chance_loss(self, batch_size: int) -> Any:
        return self.chance

    def __call__(self, pairs: Any) -> Any:
        return {"scores": -pairs.scores.diagonal().mean()}


def stretch(pairs: Any) -> Any:
    pairs.texts.vectors.data.mul_(2)
    return {"scores": -pairs.scores.diagonal().mean()}


def test_a_mean_over_pairs_and_a_loss_at_chance_keep_the_laws() -> None:
    check_objective(offering(Pulling(spoil=pulling)))
    check_objective(offering(Chancy(1.5)))


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (stretch, "changed the features it was given"),
        (Chancy(0), "chance_loss\\(4\\) is 0; wanted a number above 0"),
        (Chancy("1.4"), "chance_loss\\(4\\) is '1.4'; wanted a number above 0"),
        (Chancy(0.0), "chance_loss\\(4\\) is 0.0; wanted a number above 0"),
        (Chancy(float("nan")), "chance_loss\\(4\\) is nan; wanted a number above 0"),
        (Pulling(spoil=torch.sum), "of a batch is not the mean of its shares"),
        (Pulling(spoil=lambda loss: loss.logsumexp(0)), "of a batch is not the mean of its shares"),
        (Pulling(count=lambda pairs: pairs**2, spoil=pulling), "for the shares of a batch and 16.0 for the whole"),
    ],
)
def test_an_objective_that_breaks_a_law_is_rejected(objective: Any, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_objective(offering(objective))


def test_an_objective_over_something_else_or_without_a_count_is_rejected() -> None:
    class Elsewhere(Pulling):
        over = "videos"

    class Bare:
        over = "pairs"

        def __call__(self, pairs: Any) -> Any:
            return Pulling(spoil=pulling)(pairs)

    with pytest.raises(AssertionError, match="over is 'videos'; wanted 'pairs' or 'batch'"):
        check_objective(offering(Elsewhere(spoil=pulling)))
    with pytest.raises(AssertionError, match=r"over is 'pairs', but count\(texts, batch\) is missing"):
        check_objective(offering(Bare()))


def mean_rank(ranking: Ranking, ties: Any) -> dict[str, float]:
    return {"mean": float(ranking.ranks(ties).mean())}


def sorting(ranking: Ranking, ties: Any) -> dict[str, float]:
    ranking.better.sort()
    return mean_rank(ranking, ties)


def moody(ranking: Ranking, ties: Any) -> dict[str, float]:
    return {"mean": float(np.random.default_rng().random())}


def strict(ranking: Ranking, ties: Any) -> dict[str, float]:
    return mean_rank(ranking, ties) if ties == "expected" else {"mean": float("nan")}


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (lambda ranking, ties: {}, "no number was returned"),
        (lambda ranking, ties: {1: 0.5}, "the name 1 is not a string"),
        (lambda ranking, ties: {"mean": 1}, "mean is 1; wanted a float"),
        (strict, "mean is nan"),
        (moody, "the same ranking gave other numbers"),
        (sorting, "the metric changed the ranking"),
        (lambda ranking, ties: {"first": float(ranking.ranks(ties)[0])}, "another order of the queries"),
    ],
)
def test_a_metric_that_breaks_a_law_is_rejected(metric: Any, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_metric(offering(metric))


def test_a_rescorer_that_leaves_out_a_caption_is_rejected() -> None:
    class Shorter:
        needs_all_queries = needs_bank = False
        directions = ("t2v",)

        def __call__(self, scores: Scores, bank: Any, direction: str) -> Scores:
            return Scores(scores.matrix[1:], scores.owners[1:], scores.lost)

    with pytest.raises(AssertionError, match=r"t2v: scores \(5, 4\); wanted \(6, 4\)"):
        check_rescorer(offering(Shorter()))


def test_a_metric_that_keeps_the_laws_passes() -> None:
    check_metric(offering(mean_rank))
