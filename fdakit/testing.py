"""The laws of each contract, for plugin authors: call one in a test of yours, it raises `AssertionError`.

from fdakit.testing import check_mask
check_mask(MY_MASK, threshold=12)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fdakit.contracts import Component, Shapes, StemConvolution
from fdakit.values import Clip, VideoRef

Part = Component[Any, Any]


def build_part(component: Part, shapes: Shapes | None = None, **options: Any) -> Any:
    """Build a component as a recipe would: options checked as strict JSON."""
    model = component.options.model_validate_json(json.dumps(options))
    return component.build(model, shapes or Shapes())


def example_clip(frames: int = 5, size: int = 64, *, seed: int = 0) -> Clip:
    """A seeded clip in which a bright square crosses a noisy ground."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(40, 60, (frames, size, size, 3)).astype(np.uint8)
    side = size // 4
    for place in range(frames):
        left = place * (size - side) // max(frames - 1, 1)
        pictures[place, side : 2 * side, left : left + side] = (220, 60, 60)
    return Clip(f"example-{seed}", pictures, np.arange(frames, dtype=np.float64))


def check_sampler(component: Part, **options: Any) -> None:
    """Indices are sorted, distinct, in range, at least one and at most `frames(training)`, in every case."""
    sampler = build_part(component, **options)
    for training in (False, True):
        asked = sampler.frames(training)
        for count in (1, 2, 3, 7, 50, 1000):
            times = np.arange(count) / 25
            chosen = np.asarray(sampler(count, times, training, np.random.default_rng(0)))
            where = f"count={count}, training={training}: {chosen}"
            assert chosen.dtype.kind in "iu", f"indices must be whole numbers; {where}"
            assert 1 <= len(chosen) <= asked, f"between 1 and {asked} indices are wanted; {where}"
            assert (np.diff(chosen) > 0).all(), f"indices must rise without repeats; {where}"
            assert chosen.min() >= 0, f"indices must not be negative; {where}"
            assert chosen.max() < count, f"indices must be below the count; {where}"
            again = np.asarray(sampler(count, times, training, np.random.default_rng(0)))
            assert (again == chosen).all(), f"the same generator must give the same choice; {where}"
            if not sampler.draws(training):
                other = np.asarray(sampler(count, times, training, np.random.default_rng(1)))
                assert (other == chosen).all(), f"draws() is false, so the choice must not be random; {where}"


def check_mask(component: Part, clip: Clip | None = None, **options: Any) -> None:
    """float32 `(t, h, w)`, finite, in [0, 1], deterministic, input untouched, also for one frame and stillness."""
    mask = build_part(component, **options)
    assert mask.place in ("worker", "device"), f"place is {mask.place!r}; wanted worker or device"
    still = example_clip(frames=1)
    still = Clip("still", np.repeat(still.frames, 4, axis=0), np.arange(4.0))
    for example in (clip or example_clip(), example_clip(1), example_clip(2, 97), still):
        _check_mask_on(mask, _with_needs(example, mask.needs), device=mask.place == "device")


def _with_needs(clip: Clip, needs: Any) -> Clip:
    neighbours = {gap: np.roll(clip.frames, gap, axis=2) for gap in needs.neighbours}
    vectors = (None,) * len(clip.frames) if needs.motion_vectors else None
    return replace(clip, neighbours=neighbours, motion_vectors=vectors)


def _check_mask_on(mask: Any, clip: Clip, *, device: bool) -> None:
    shape = clip.frames.shape[:3]
    if device:
        import torch

        frames, *beside = (torch.from_numpy(f).permute(0, 3, 1, 2) for f in (clip.frames, *clip.neighbours.values()))
        clip = replace(clip, frames=frames, neighbours=dict(zip(clip.neighbours, beside, strict=True)))
    before = np.asarray(clip.frames).copy()
    alpha = np.asarray(mask(clip))
    assert alpha.shape == shape, f"alpha has the shape {alpha.shape}; wanted {shape}"
    assert alpha.dtype == np.float32, f"alpha is {alpha.dtype}; wanted float32"
    assert np.isfinite(alpha).all(), "alpha holds values that are not finite"
    assert alpha.min() >= 0, f"alpha falls to {alpha.min()}; wanted 0 to 1"
    assert alpha.max() <= 1, f"alpha rises to {alpha.max()}; wanted 0 to 1"
    assert (np.asarray(clip.frames) == before).all(), "the mask changed the clip's frames"
    assert (np.asarray(mask(clip)) == alpha).all(), "the same clip gave another alpha"


class ExampleStem:
    """A patch stem of random weights, as a fusion sees an encoder's."""

    def __init__(self, channels: int = 8, patch: int = 8) -> None:
        import torch

        self.convolutions = (StemConvolution("conv1", channels, (patch, patch), (patch, patch), (0, 0)),)
        generator = torch.Generator().manual_seed(0)
        self._weight = torch.randn(channels, 3, patch, patch, generator=generator)

    def __call__(self, rgb: Any) -> tuple[Any, ...]:
        from torch.nn.functional import conv2d

        return (conv2d(rgb, self._weight, stride=self.convolutions[0].stride),)


def check_fusion(component: Part, *, neutral: float | None = None, **options: Any) -> None:
    """One finite map a convolution, right shapes, inputs untouched; at `neutral` alpha the stem's own maps.

    `neutral` is the alpha at which a fresh fusion changes nothing, bit for bit; None if it claims none.
    """
    import torch

    stem = ExampleStem()
    fusion = build_part(component, Shapes(image_size=32, grid=(4, 4), width=8, stem=stem.convolutions), **options)
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randn(3, 3, 32, 32, generator=generator)
    alpha = torch.rand(3, 1, 32, 32, generator=generator)
    kept = rgb.clone(), alpha.clone()
    fused = fusion(rgb, alpha, stem)
    plain = stem(rgb)
    assert len(fused.features) == len(plain), f"{len(fused.features)} maps for {len(plain)} convolutions"
    for given, own in zip(fused.features, plain, strict=True):
        assert given.shape == own.shape, f"map of shape {tuple(given.shape)}; the stem's is {tuple(own.shape)}"
        assert bool(torch.isfinite(given).all()), "a map holds values that are not finite"
    assert torch.equal(rgb, kept[0]), "the fusion changed rgb"
    assert torch.equal(alpha, kept[1]), "the fusion changed alpha"
    if neutral is not None:
        fused = fusion(rgb, torch.full_like(alpha, neutral), stem)
        for given, own in zip(fused.features, plain, strict=True):
            assert torch.equal(given, own), f"alpha {neutral} must leave the stem's maps bit-equal"


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

    shapes = Shapes(embedding=16, width=16, heads=1, layers=1)
    pool = build_part(component, shapes, **options)
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

    objective = build_part(component, Shapes(embedding=16, width=16, vocabulary=8, context_length=6), **options)
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


def check_reader(component: Part, path: Path, **options: Any) -> None:
    """Ascending times from 0, and any frames asked for equal those of reading everything."""
    from fdakit.values import Needs

    reader = build_part(component, **options)
    video = VideoRef("video", path)
    times = reader.times(video)
    assert times[0] == 0, f"the first frame is at {times[0]} s; times count from the first frame"
    assert (np.diff(times) >= 0).all(), "times must not fall"
    everything = reader.read(video, np.arange(len(times)), Needs(), None)
    assert len(everything.frames) == len(times), f"{len(everything.frames)} frames for {len(times)} times"
    for indices in ([0], [len(times) - 1], list(range(0, len(times), 3))):
        clip = reader.read(video, np.array(indices), Needs(), None)
        assert np.array_equal(clip.frames, everything.frames[indices]), f"frames {indices} differ from a full read"
        assert np.array_equal(clip.times, times[indices]), f"times of {indices} differ"


def check_encoder(component: Part, *, image_size: int, **options: Any) -> None:
    """Right shapes, blind to padding, and the same vectors (1e-5) in any batch, for frames and for texts."""
    import torch

    from fdakit.values import Fused

    encoder = build_part(component, **options).eval()
    size = encoder.preprocess.size
    assert size == image_size, f"preprocess.size is {size}; wanted {image_size}"
    frames, valid = torch.randn(3, 2, 3, size, size), torch.ones(3, 2, dtype=torch.bool)
    valid[1, 1] = False
    frames[1, 1] = float("nan")
    with torch.no_grad():
        vectors = encoder.encode_frames(frames, valid, lambda rgb, stem: Fused(stem(rgb))).vectors
        alone = encoder.encode_frames(frames[2:], valid[2:], lambda rgb, stem: Fused(stem(rgb))).vectors
        texts = encoder.encode_texts(["a red circle", "a dog"]).vectors
        text = encoder.encode_texts(["a dog"]).vectors
    width = encoder.shapes.embedding
    assert tuple(vectors.shape) == (3, 2, width), f"vectors {tuple(vectors.shape)}; wanted (3, 2, {width})"
    assert tuple(texts.shape) == (2, width), f"text vectors {tuple(texts.shape)}; wanted (2, {width})"
    assert bool(torch.isfinite(vectors[valid]).all()), "padding reaches the vectors of valid frames"
    assert torch.allclose(vectors[2:], alone, atol=1e-5), "a video's vectors depend on the rest of the batch"
    assert torch.allclose(texts[1:], text, atol=1e-5), "a text's vector depends on the rest of the batch"


def check_dataset(component: Part, **options: Any) -> None:
    """Every split it names loads, holds videos and captions, and loads the same again."""
    dataset = build_part(component, **options)
    assert dataset.splits(), "the data set names no split"
    for name in dataset.splits():
        split = dataset.load(name, lambda what, done, total: None)
        assert split.videos, f"split {name!r} holds no video"
        assert split.captions, f"split {name!r} holds no caption"
        assert dataset.load(name, lambda what, done, total: None) == split, f"split {name!r} loads differently again"


def check_rescorer(component: Part, **options: Any) -> None:
    """Finite scores of the same shape, the given ones untouched."""
    from fdakit.values import Scores

    rescorer = build_part(component, **options)
    assert isinstance(rescorer.needs_all_queries, bool), "needs_all_queries must be true or false"
    matrix = np.random.default_rng(0).uniform(-1, 1, (6, 4)).astype(np.float32)
    scores = Scores(matrix.copy(), np.array([0, 0, 1, 2, 3, 3]), np.zeros(4, np.bool_))
    changed = rescorer(scores, np.random.default_rng(1).uniform(-1, 1, (5, 4)).astype(np.float32))
    assert changed.matrix.shape == matrix.shape, f"scores {changed.matrix.shape}; wanted {matrix.shape}"
    assert np.isfinite(changed.matrix).all(), "scores are not finite"
    assert (scores.matrix == matrix).all(), "the rescorer changed the scores it was given"
