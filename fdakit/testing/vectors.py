"""Laws of what works on features and scores: aggregators, matchers, objectives, rescorers, metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Gives

from .building import Part, build_kind

if TYPE_CHECKING:
    from fdakit.features import TextFeatures, VideoFeatures

_WIDTH, _TOKENS = 16, 6
_SHAPES = BuildContext(embedding=_WIDTH, width=_WIDTH, heads=1, layers=1, vocabulary=8, context_length=_TOKENS)


def example_videos(videos: int = 4, vectors: int = 5) -> VideoFeatures:
    """Return seeded features of videos, the first two with fewer valid vectors than the others."""
    import torch

    from fdakit.features import VideoFeatures

    generator = torch.Generator().manual_seed(0)
    valid = torch.ones(videos, vectors, dtype=torch.bool)
    valid[0, 2:] = False
    valid[1, 4:] = False
    return VideoFeatures(torch.randn(videos, vectors, _WIDTH, generator=generator), valid)


def example_texts(count: int) -> TextFeatures:
    """Return seeded features of texts with their tokens, the first text shorter than the others."""
    import torch

    from fdakit.features import TextFeatures

    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(count, _WIDTH, generator=generator)
    tokens = torch.randn(count, _TOKENS, _WIDTH, generator=generator)
    mask = torch.ones(count, _TOKENS, dtype=torch.bool)
    mask[0, 3:] = False
    return TextFeatures(vectors, tokens, mask, ids=mask.long(), cut=torch.zeros(count, dtype=torch.bool))


def _videos_for(gives: Gives) -> VideoFeatures:
    from fdakit.features import VideoFeatures

    found = example_videos()
    return VideoFeatures.of_clips(found.vectors[:, 0]) if gives == "vector" else found


def check_aggregator(component: Part, **options: Any) -> None:
    """Right shape, finite, blind to invalid vectors, and in step with any reordering of the videos."""
    import torch

    from fdakit.features import VideoFeatures

    pool = build_kind("aggregator", component, _SHAPES, **options)
    if isinstance(pool, torch.nn.Module):
        pool.eval()
    frames = example_videos()
    with torch.no_grad():
        found = pool(frames)
        assert isinstance(found, VideoFeatures), f"returned {found!r}; wanted fdakit.plugin.VideoFeatures"
        count, several, width = found.vectors.shape
        assert (count, width) == (4, 16), f"vectors {tuple(found.vectors.shape)}; wanted (4, m, 16)"
        assert pool.gives == "vectors" or several == 1, f"{several} vectors a video; it says that it gives one"
        assert bool(torch.isfinite(found.vectors[found.valid]).all()), "vectors are not finite"
        assert bool(found.valid.any(1).all()), "a video with valid frames has no valid vector"
        noisy = frames.vectors.clone()
        noisy[~frames.valid] = 1e3
        padded = pool(VideoFeatures(noisy, frames.valid))
        assert torch.equal(padded.valid, found.valid), "invalid vectors change what is valid"
        same = torch.allclose(padded.vectors[found.valid], found.vectors[found.valid], atol=1e-5)
        assert same, "invalid vectors, as those of padded frames, change the result"
        order = torch.tensor([2, 0, 3, 1])
        moved, wanted = pool(frames.rows(order)), found.rows(order)
        alike = torch.allclose(moved.vectors[wanted.valid], wanted.vectors[wanted.valid], atol=1e-5)
        assert alike, "reordering the videos changes their vectors"


def check_matcher(component: Part, **options: Any) -> None:
    """Scores `(q, v)`, finite, each of its pair alone, blind to invalid vectors and to padded tokens."""
    import torch

    from fdakit.features import VideoFeatures

    matcher = build_kind("matcher", component, _SHAPES, **options)
    if isinstance(matcher, torch.nn.Module):
        matcher.eval()
    texts, videos = example_texts(3), _videos_for("vector" if matcher.stores == "vector" else "vectors")
    if not matcher.needs_tokens:
        texts = type(texts)(texts.vectors)
    with torch.no_grad():
        scores = matcher.score(texts, videos)
        assert tuple(scores.shape) == (3, 4), f"scores {tuple(scores.shape)}; wanted (3, 4), texts by videos"
        assert bool(torch.isfinite(scores).all()), "scores are not finite"
        for rows, columns in ((slice(0, 1), slice(1, 3)), (slice(1, 3), slice(3, 4))):
            block = matcher.score(texts.rows(rows), videos.rows(columns))
            assert torch.allclose(block, scores[rows, columns], atol=1e-5), "a score depends on other texts or videos"
        noisy = videos.vectors.clone()
        noisy[~videos.valid] = 1e3
        again = matcher.score(texts, VideoFeatures(noisy, videos.valid, kind=videos.kind))
        assert torch.allclose(again, scores, atol=1e-5), "invalid vectors change the scores"
        if texts.tokens is not None and texts.mask is not None:
            tokens = texts.tokens.masked_fill(~texts.mask.unsqueeze(-1), 1e3)
            padded = matcher.score(type(texts)(texts.vectors, tokens, texts.mask), videos)
            assert torch.allclose(padded, scores, atol=1e-5), "padded tokens change the scores"


def check_objective(
    component: Part, *, reaches: Sequence[str] = ("videos", "texts"), gives: Gives = "vector", **options: Any
) -> None:
    """Scalar finite losses, and a gradient that reaches `reaches` and every weight that is trained.

    `gives` is how many vectors of a video it is given.
    """
    import torch

    objective = build_kind("objective", component, _SHAPES, **options)
    pairs = _example_pairs(gives)
    losses = objective(pairs)
    assert losses, "no loss was returned"
    for name, loss in losses.items():
        assert loss.ndim == 0, f"loss {name!r} has the shape {tuple(loss.shape)}; wanted a scalar"
        assert bool(torch.isfinite(loss)), f"loss {name!r} is {float(loss.detach())}"
    total = sum(losses.values())
    assert total.requires_grad, "the losses have no gradient"
    total.backward()
    sources = {"videos": (pairs.frames.vectors,), "texts": (pairs.texts.vectors, pairs.texts.tokens)}
    for what, leaves in sources.items():
        reached = any(leaf.grad is not None and bool(leaf.grad.any()) for leaf in leaves if leaf is not None)
        assert reached or what not in reaches, f"no gradient reaches the {what}"
    if isinstance(objective, torch.nn.Module):
        for name, weight in objective.named_parameters():
            assert not weight.requires_grad or weight.grad is not None, f"no gradient reaches {name}"


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
    """Finite numbers by name, the same again, the ranking untouched; also for one query."""
    from fdakit.query_ranks import Ranking

    metric = build_kind("metric", component, **options)
    for better, equal, pool in (([0, 3, 1, 9], [0, 0, 2, 0], 10), ([0], [0], 1)):
        ranking = Ranking(np.array(better), np.array(equal), pool)
        found = metric(ranking, "expected")
        assert found, "no number was returned"
        for name, value in found.items():
            assert isinstance(name, str), f"the name {name!r} is not a string"
            assert isinstance(value, float), f"{name} is {value!r}; wanted a float"
            assert np.isfinite(value), f"{name} is {value}"
        assert metric(ranking, "expected") == found, "the same ranking gave other numbers"
        assert ranking.better.tolist() == better, "the metric changed the ranking"
