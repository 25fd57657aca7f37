"""Laws of what works on features and scores: aggregators, objectives, rescorers, metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from fdakit.choices import TieRule
from fdakit.plugin.abilities import GivesExtra
from fdakit.plugin.batching import TrainingPairs, extra_rows
from fdakit.plugin.contracts import Gives

from .batching import check_extra
from .building import Part, build_kind, build_objective
from .examples import SHAPES, example_texts, example_videos, lengthened

if TYPE_CHECKING:
    import torch

    from fdakit.features import FeatureKind, PairFeatures, TextFeatures, VideoFeatures


def check_aggregator(component: Part, **options: Any) -> None:
    """Check an aggregator on features of every kind: finite, blind to invalid vectors, each video for itself.

    With the coverage of frames and without it. As many vectors as `gives` says; in step with any reordering of the
    videos; features untouched.
    """
    import torch

    pool = build_kind("aggregator", component, SHAPES, **options)
    if isinstance(pool, torch.nn.Module):
        pool.eval()
    kinds: tuple[FeatureKind, ...] = ("frame", "clip", "patch")
    with torch.no_grad():
        for kind in kinds:
            _check_pooled(pool, example_videos(kind=kind))
        _check_pooled(pool, replace(example_videos(), coverage=None))
        single = example_videos(vectors=1, kind="clip")
        assert bool(torch.isfinite(pool(single).vectors).all()), "vectors are not finite where a video has only one"
    features = example_videos()
    features.vectors.requires_grad_()
    pooled = pool(features)
    pooled.vectors[pooled.valid].square().sum().backward()
    reached = features.vectors.grad is not None and bool(features.vectors.grad.any())
    assert reached, "no gradient reaches the features"


def _check_pooled(pool: Any, features: VideoFeatures) -> None:
    import torch

    from fdakit.features import VideoFeatures

    kept = features.vectors.clone()
    found = pool(features)
    assert torch.equal(features.vectors, kept), "the aggregator changed its features"
    assert isinstance(found, VideoFeatures), f"returned {found!r}; wanted fdakit.plugin.VideoFeatures"
    count, several, width = found.vectors.shape
    assert (count, width) == (4, 16), f"vectors {tuple(found.vectors.shape)}; wanted (4, m, 16)"
    assert pool.gives == "vectors" or several == 1, f"{several} vectors a video; it says that it gives one"
    assert bool(torch.isfinite(found.vectors[found.valid]).all()), "vectors are not finite"
    assert bool(found.valid.any(1).all()), "a video with valid frames has no valid vector"
    covered = None if features.coverage is None else features.coverage.masked_fill(~features.valid, 1)
    noisy = replace(
        features, vectors=features.vectors.masked_fill(~features.valid.unsqueeze(-1), 1e3), coverage=covered
    )
    for other in (noisy, lengthened(features)):
        _check_same(pool(other), found, "invalid vectors, as those of padded frames,")
    order = torch.tensor([2, 0, 3, 1])
    _check_same(pool(features.rows(order)), found.rows(order), "reordering the videos")
    _check_same(pool(features.rows(slice(2, 4))), found.rows(slice(2, 4)), "the other videos of a batch")


def _check_same(found: VideoFeatures, wanted: VideoFeatures, what: str) -> None:
    """Compare the valid vectors of two results, which may be padded to different numbers."""
    import torch

    valid = torch.equal(found.valid.sum(1), wanted.valid.sum(1))
    assert valid, f"{what} change what is valid"
    same = torch.allclose(found.vectors[found.valid], wanted.vectors[wanted.valid], atol=1e-5)
    assert same, f"{what} change the result"


def check_objective(
    component: Part,
    *,
    reaches: Sequence[str] = ("videos", "texts"),
    gives: Gives = "vector",
    encoder: Any = None,
    **options: Any,
) -> None:
    """Scalar finite losses, and a gradient that reaches `reaches` and every weight that is trained.

    `gives` is how many vectors of a video it is given. Losses over pairs are means that shares of the batch add up
    to; the loss at chance, if told, is a number above 0. An objective that gives `extra` is asked for that of the
    pairs, whose captions and videos are the first four of a split, and finds it in the batch. `encoder`, if given, is
    what it starts from: of at least `SHAPES.vocabulary` words, and vectors as wide as `SHAPES.embedding`.
    """
    import torch

    objective = build_objective(component, encoder, **options)
    pairs = _with_extra(objective, _example_pairs(gives))
    kept = [leaf.detach().clone() for leaf in _leaves(pairs)]
    losses = objective(pairs)
    assert losses, "no loss was returned"
    for name, loss in losses.items():
        assert loss.ndim == 0, f"loss {name!r} has the shape {tuple(loss.shape)}; wanted a scalar"
        assert bool(torch.isfinite(loss)), f"loss {name!r} is {float(loss.detach())}"
    same = all(map(torch.equal, _leaves(pairs), kept))
    assert same, "the objective changed the features it was given"
    _check_gradients(objective, pairs, sum(losses.values()), reaches)
    _check_abilities(objective, pairs, losses)


def _with_extra(objective: Any, pairs: PairFeatures) -> PairFeatures:
    if not isinstance(objective, GivesExtra):
        return pairs
    four = np.arange(len(pairs.batch.ids))
    known = TrainingPairs(four, four, four, pairs.batch.ids, pairs.batch.texts)
    check_extra(objective, known)
    return replace(pairs, batch=replace(pairs.batch, extra=extra_rows(objective.extra(known))))


def _leaves(pairs: PairFeatures) -> tuple[torch.Tensor, ...]:
    assert pairs.texts.tokens is not None
    return pairs.frames.vectors, pairs.texts.vectors, pairs.texts.tokens


def _check_gradients(objective: Any, pairs: PairFeatures, total: Any, reaches: Sequence[str]) -> None:
    import torch

    assert total.requires_grad, "the losses have no gradient"
    total.backward()
    videos, *texts = _leaves(pairs)
    for what, leaves in (("videos", [videos]), ("texts", texts)):
        reached = any(leaf.grad is not None and bool(leaf.grad.any()) for leaf in leaves)
        assert reached or what not in reaches, f"no gradient reaches the {what}"
    if isinstance(objective, torch.nn.Module):
        for name, weight in objective.named_parameters():
            assert not weight.requires_grad or weight.grad is not None, f"no gradient reaches {name}"


def _check_abilities(objective: Any, pairs: PairFeatures, losses: Any) -> None:
    import torch

    if hasattr(objective, "chance_loss"):
        chance = objective.chance_loss(4)
        number = isinstance(chance, int | float) and isfinite(chance) and chance > 0
        assert number, f"chance_loss(4) is {chance!r}; wanted a number above 0"
    if getattr(objective, "over", "batch") == "batch":
        return
    with torch.no_grad():
        shares = [_share(pairs, slice(0, 1)), _share(pairs, slice(1, 4))]
        counts = [float(objective.count(share.texts, share.batch)) for share in shares]
        whole = float(objective.count(pairs.texts, pairs.batch))
        assert sum(counts) == whole, f"count() gives {counts} for the shares of a batch and {whole} for the whole"
        parts = [objective(share) for share in shares]
    for name, loss in losses.items():
        mean = sum(count * float(part[name]) for count, part in zip(counts, parts, strict=True)) / whole
        same = abs(mean - float(loss.detach())) <= 1e-5 * max(1, abs(mean))
        assert same, f"over is 'pairs', but loss {name!r} of a batch is not the mean of its shares"


def _share(pairs: PairFeatures, rows: slice) -> PairFeatures:
    """Return some of the pairs, as a process of several takes them."""
    from fdakit.features import PairFeatures

    batch = replace(
        pairs.batch,
        ids=pairs.batch.ids[rows],
        texts=pairs.batch.texts[rows],
        valid=pairs.batch.valid[rows],
        extra={name: value[rows] for name, value in pairs.batch.extra.items()},
    )
    return PairFeatures(pairs.frames.rows(rows), pairs.videos.rows(rows), pairs.texts.rows(rows), batch, pairs.match)


def _example_pairs(gives: Gives) -> Any:
    import torch
    from torch.nn.functional import normalize

    from fdakit.features import PairFeatures, VideoFeatures
    from fdakit.values import Batch

    frames, texts = example_videos(), example_texts(4)
    assert texts.tokens is not None
    for leaf in (frames.vectors, texts.vectors, texts.tokens):
        leaf.requires_grad_()
    videos = frames if gives == "vectors" else VideoFeatures.of_clips(frames.vectors.mean(1))
    empty = torch.zeros(0)
    batch = Batch(tuple("abcd"), empty, {}, frames.valid, empty, tuple("abcd"))

    def match(asked: TextFeatures, shown: VideoFeatures) -> torch.Tensor:
        return normalize(asked.vectors, dim=-1) @ normalize(shown.vectors.mean(1), dim=-1).T

    return PairFeatures(frames, videos, texts, batch, match)


def check_rescorer(component: Part, **options: Any) -> None:
    """Finite scores of one shape in each direction it names, the given ones untouched, equal rows still equal."""
    from fdakit.values import Scores

    rescorer = build_kind("rescorer", component, **options)
    matrix = np.random.default_rng(0).uniform(-1, 1, (6, 4)).astype(np.float32)
    matrix[4] = matrix[3]
    scores = Scores(matrix.copy(), np.array([0, 0, 1, 2, 3, 3]), np.zeros(4, np.bool_))
    bank = np.random.default_rng(1).uniform(-1, 1, (5, 4)).astype(np.float32) if rescorer.needs_bank else None
    for way in rescorer.directions:
        changed = rescorer(scores, bank, way)
        assert changed.matrix.shape == matrix.shape, f"{way}: scores {changed.matrix.shape}; wanted {matrix.shape}"
        assert np.isfinite(changed.matrix).all(), f"{way}: scores are not finite"
        assert (changed.matrix[4] == changed.matrix[3]).all(), f"{way}: equal captions no longer score equally"
        assert (scores.matrix == matrix).all(), f"{way}: the rescorer changed the scores it was given"


def check_metric(component: Part, **options: Any) -> None:
    """Finite numbers by name under every tie rule, the same again and in any order of the queries, also for one."""
    from fdakit.query_ranks import Ranking

    metric = build_kind("metric", component, **options)
    for better, equal, pool in (([0, 3, 1, 9], [0, 0, 2, 0], 10), ([0], [0], 1)):
        ranking = Ranking(np.array(better), np.array(equal), pool)
        turned = Ranking(np.array(better[::-1]), np.array(equal[::-1]), pool)
        for ties in get_args(TieRule):
            found = metric(ranking, ties)
            _check_numbers(found)
            assert metric(ranking, ties) == found, "the same ranking gave other numbers"
            untouched = (ranking.better.tolist(), ranking.equal.tolist()) == (better, equal)
            assert untouched, "the metric changed the ranking"
            again = metric(turned, ties)
            same = again.keys() == found.keys() and np.allclose(list(again.values()), list(found.values()))
            assert same, "another order of the queries gave other numbers"


def _check_numbers(found: Any) -> None:
    from fdakit.ranking.metrics import is_own_name

    assert found, "no number was returned"
    for name, value in found.items():
        assert isinstance(name, str), f"the name {name!r} is not a string"
        assert not is_own_name(name), f"the name {name!r} is that of a metric of fdakit"
        assert isinstance(value, float), f"{name} is {value!r}; wanted a float"
        assert np.isfinite(value), f"{name} is {value}"
