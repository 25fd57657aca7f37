"""Laws of matchers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fdakit.plugin.abilities import InnerProduct

from .building import Part, build_kind
from .examples import SHAPES, example_texts, example_videos, lengthened, padded

if TYPE_CHECKING:
    from fdakit.features import TextFeatures, VideoFeatures

_SAME = 1e-6  # beside a relative 1e-5, as blocks add up in another order


def check_matcher(component: Part, **options: Any) -> None:
    """Check scores `(q, v)`: finite, each of its own pair, blind to padding, as its `stores` and `needs_tokens` say.

    The scores of any block of texts and videos are those of the whole, in any order. A matcher that stores a vector
    is given one a video; one that needs no tokens scores texts without them. Gradients reach texts and videos.
    """
    import torch

    matcher = build_kind("matcher", component, SHAPES, **options)
    if isinstance(matcher, torch.nn.Module):
        matcher.eval()
    texts, videos = _example_pair(matcher)
    with torch.no_grad():
        scores = matcher.score(texts, videos)
        shape = (len(texts.vectors), len(videos.vectors))
        assert tuple(scores.shape) == shape, f"scores {tuple(scores.shape)}; wanted {shape}, texts by videos"
        assert bool(torch.isfinite(scores).all()), "scores are not finite"
        _check_blocks(matcher, texts, videos, scores)
        _check_padding(matcher, texts, videos, scores)
        _check_tokens(matcher, texts, videos, scores)
        _check_lost(matcher, texts, videos)
        _check_products(matcher, texts, videos, scores)
    _check_gradient(matcher)


def _example_pair(matcher: Any) -> tuple[TextFeatures, VideoFeatures]:
    from fdakit.features import VideoFeatures

    texts, videos = example_texts(3), example_videos()
    if matcher.stores == "vector":
        videos = VideoFeatures.of_clips(videos.vectors[:, 0])
    return (texts if matcher.needs_tokens else _without_tokens(texts)), videos


def _without_tokens(texts: TextFeatures) -> TextFeatures:
    return replace(texts, tokens=None, mask=None, ids=None, cut=None)


def _differ(found: Any, wanted: Any) -> bool:
    import torch

    return not torch.allclose(found, wanted, atol=_SAME)


def _check_blocks(matcher: Any, texts: TextFeatures, videos: VideoFeatures, scores: Any) -> None:
    import torch

    queries, columns = torch.tensor([2, 0, 1]), torch.tensor([3, 1, 0, 2])
    blocks = [(slice(q, q + 1), slice(v, v + 1)) for q in range(3) for v in range(4)]
    blocks += [(slice(0, 2), slice(0, 4)), (slice(0, 3), slice(1, 3)), (slice(1, 3), slice(3, 4))]
    for rows, places in blocks:
        block = matcher.score(texts.rows(rows), videos.rows(places))
        where = f"texts {rows.start} to {rows.stop - 1}, videos {places.start} to {places.stop - 1}"
        assert not _differ(block, scores[rows, places]), f"a score depends on other texts or videos ({where})"
    moved = matcher.score(texts.rows(queries), videos.rows(columns))
    assert not _differ(moved, scores[queries][:, columns]), "a score depends on the order of texts or videos"


def _check_padding(matcher: Any, texts: TextFeatures, videos: VideoFeatures, scores: Any) -> None:
    if matcher.stores != "vector":
        noisy = videos.vectors.masked_fill(~videos.valid.unsqueeze(-1), 1e3)
        assert not _differ(matcher.score(texts, replace(videos, vectors=noisy)), scores), "invalid vectors count"
        assert not _differ(matcher.score(texts, lengthened(videos)), scores), "the number of invalid vectors counts"
    if matcher.needs_tokens:
        assert not _differ(matcher.score(padded(texts, 0), videos), scores), "padded tokens count"
        assert not _differ(matcher.score(padded(texts), videos), scores), "the number of padded tokens counts"


def _check_tokens(matcher: Any, texts: TextFeatures, videos: VideoFeatures, scores: Any) -> None:
    if matcher.needs_tokens:
        assert texts.tokens is not None
        others = replace(texts, tokens=texts.tokens.flip(0, 1).neg())
        assert _differ(matcher.score(others, videos), scores), "needs_tokens is true, but other tokens score the same"
    else:
        told = matcher.score(example_texts(3), videos)
        assert not _differ(told, scores), "needs_tokens is false, but texts with tokens score otherwise"


def _check_lost(matcher: Any, texts: TextFeatures, videos: VideoFeatures) -> None:
    """Score a video without a valid vector, as one that cannot be read: what comes of it must be numbers."""
    import torch

    lost = replace(videos, valid=videos.valid & (torch.arange(4) > 0).unsqueeze(1))
    found = matcher.score(texts, lost)
    assert bool(torch.isfinite(found).all()), "scores are not finite beside a video without a valid vector"


def _check_products(matcher: Any, texts: TextFeatures, videos: VideoFeatures, scores: Any) -> None:
    if isinstance(matcher, InnerProduct):
        products = matcher.product_vectors(texts.vectors) @ matcher.product_vectors(videos.vector).T
        assert not _differ(products, scores), "inner products of product_vectors() are not the scores"


def _check_gradient(matcher: Any) -> None:
    texts, videos = _example_pair(matcher)
    leaves = {"videos": (videos.vectors,), "texts": (texts.vectors, texts.tokens)}
    given = [leaf.requires_grad_() for parts in leaves.values() for leaf in parts if leaf is not None]
    kept = [leaf.detach().clone() for leaf in given]
    scores = matcher.score(texts, videos)
    assert scores.requires_grad, "the scores have no gradient"
    scores.square().sum().backward()
    assert all(bool((leaf == old).all()) for leaf, old in zip(given, kept, strict=True)), "it changed its features"
    for what, parts in leaves.items():
        reached = any(leaf is not None and leaf.grad is not None and bool(leaf.grad.any()) for leaf in parts)
        assert reached, f"no gradient reaches the {what}"
