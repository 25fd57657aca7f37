"""Laws of what works on vectors and scores: aggregators, objectives, rescorers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fdakit.plugin.component import BuildContext

from .building import Part, build_kind


def _example_features(videos: int = 4, frames: int = 5, width: int = 16) -> Any:
    import torch

    from fdakit.values import FrameFeatures

    generator = torch.Generator().manual_seed(0)
    valid = torch.ones(videos, frames, dtype=torch.bool)
    valid[0, 2:] = False
    valid[1, 4:] = False
    return FrameFeatures(torch.randn(videos, frames, width, generator=generator), valid)


def _example_texts(count: int, width: int = 16) -> Any:
    import torch

    from fdakit.values import TextFeatures

    generator = torch.Generator().manual_seed(1)
    ids = torch.ones(count, 6, dtype=torch.int64)
    vectors = torch.randn(count, width, generator=generator)
    return TextFeatures(vectors, ids, ids > 0, torch.zeros(count, dtype=torch.bool))


def check_aggregator(component: Part, **options: Any) -> None:
    """Right shape, finite, blind to padded frames, and in step with any reordering of the videos."""
    import torch

    from fdakit.values import FrameFeatures

    shapes = BuildContext(embedding=16, width=16, heads=1, layers=1)
    pool = build_kind("aggregator", component, shapes, **options)
    if isinstance(pool, torch.nn.Module):
        pool.eval()
    frames, texts = _example_features(), _example_texts(3)
    asked = texts if pool.text_conditioned else None
    with torch.no_grad():
        vectors = pool(frames, asked)
        shape = (3, 4, 16) if pool.text_conditioned else (4, 16)
        assert tuple(vectors.shape) == shape, f"vectors {tuple(vectors.shape)}; wanted {shape}"
        assert bool(torch.isfinite(vectors).all()), "vectors are not finite"
        noisy = frames.vectors.clone()
        noisy[~frames.valid] = 1e3
        padded = pool(FrameFeatures(noisy, frames.valid), asked)
        assert torch.allclose(padded, vectors, atol=1e-5), "padded frames change the vectors"
        order = torch.tensor([2, 0, 3, 1])
        moved = pool(FrameFeatures(frames.vectors[order], frames.valid[order]), asked)
        assert torch.allclose(moved, vectors[..., order, :], atol=1e-5), "reordering the videos changes their vectors"


def check_objective(component: Part, *, reaches: Sequence[str] = ("videos", "texts"), **options: Any) -> None:
    """Scalar finite losses, and a gradient that reaches `reaches` and every weight that is trained."""
    import torch

    from fdakit.values import Batch

    shapes = BuildContext(embedding=16, width=16, vocabulary=8, context_length=6)
    objective = build_kind("objective", component, shapes, **options)
    frames, texts = _example_features(), _example_texts(4)
    frames.vectors.requires_grad_()
    texts.vectors.requires_grad_()
    videos = frames.vectors.mean(1)
    empty = torch.zeros(0)
    batch = Batch(tuple("abcd"), empty, {}, frames.valid, empty, tuple("abcd"))
    losses = objective(frames, videos, texts, batch)
    assert losses, "no loss was returned"
    for name, loss in losses.items():
        assert loss.ndim == 0, f"loss {name!r} has the shape {tuple(loss.shape)}; wanted a scalar"
        assert bool(torch.isfinite(loss)), f"loss {name!r} is {float(loss.detach())}"
    total = sum(losses.values())
    assert total.requires_grad, "the losses have no gradient"
    total.backward()
    for what, vectors in (("videos", frames.vectors), ("texts", texts.vectors)):
        reached = vectors.grad is not None and bool(vectors.grad.any())
        assert reached or what not in reaches, f"no gradient reaches the {what}"
    if isinstance(objective, torch.nn.Module):
        for name, weight in objective.named_parameters():
            assert not weight.requires_grad or weight.grad is not None, f"no gradient reaches {name}"


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
