"""Laws of encoders: at frame, clip and patch level, with and without a stem, with and without roles of texts."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fdakit.features import ClipBatch, Fused, FusionOutput, VideoFeatures
from fdakit.model.tokens.sent_tokeniser import sent_tokeniser
from fdakit.plugin.abilities import NamesBlocks, RecomputesActivations, TextRoles

from .building import Part, build_kind
from .kept_patches import check_keep_counts

_TEXTS = ("a red circle moves across", "a dog", "two dogs run after a red ball")


def check_encoder(component: Part, *, image_size: int, **options: Any) -> None:
    """Check shapes, padding and independence of an encoder, and that it uses what it accepts.

    `fuse` is called once, with the valid frames alone and, if the encoder accepts maps, a stem. Clips and texts have
    the same features (1e-5) in any batch and order, however they are padded. What a fusion changes of an output that
    the encoder `accepts` changes its vectors, and of the patches in `keep` it takes as many of each frame as
    `keep_counts` says, or refuses with a `PluginError`. The roles of texts differ only if it says that it is
    `asymmetric`. Activations that it computes again give the same gradients, and blocks that it names are its own.
    Texts tokenised apart have the same vectors.
    """
    import torch

    encoder = build_kind("encoder", component, **options)
    has_weights = isinstance(encoder, torch.nn.Module)
    assert has_weights, f"{type(encoder).__name__} is no torch.nn.Module"
    encoder.eval()
    size = encoder.preprocess.size
    assert size == image_size, f"preprocess.size is {size}; wanted {image_size}"
    clips = _example_clips(encoder)
    with torch.no_grad():
        fuse = _Recorder()
        found = encoder.encode_videos(clips, fuse)
        _check_fuse_calls(fuse, clips, stem="stem" in encoder.accepts)
        _check_video_features(found, clips, width=encoder.shapes.embedding)
        _check_batches(encoder, clips, found)
        for output in sorted(encoder.accepts):
            changed = encoder.encode_videos(clips, _Recorder(change=output, grid=encoder.shapes.grid))
            kept = changed.valid & found.valid
            same = torch.allclose(changed.vectors[kept], found.vectors[kept], atol=1e-6)
            assert not same, f"it accepts {output!r}, but another one does not change its vectors"
        if "keep" in encoder.accepts:
            check_keep_counts(encoder, clips)
        _check_texts(encoder)
    _check_training_abilities(encoder, clips)


class _Recorder:
    """A fusion that changes nothing, or one output, and keeps what it was called with."""

    def __init__(self, *, change: FusionOutput | None = None, grid: tuple[int, int] = (0, 0)) -> None:
        self.calls: list[tuple[Any, Any]] = []
        self._change = change
        self._tokens = grid[0] * grid[1]

    def __call__(self, pixels: Any, stem: Any) -> Fused:
        import torch

        self.calls.append((pixels, stem))
        count, tokens = len(pixels), self._tokens
        changes: dict[str | None, Callable[[], Fused]] = {
            "pixels": lambda: Fused(pixels=1 - pixels if pixels.is_floating_point() else 255 - pixels),
            "stem": lambda: Fused(features=tuple(1 - maps for maps in stem(pixels))),
            "attention_bias": lambda: Fused(attention_bias=torch.arange(tokens).float().expand(count, -1)),
            "keep": lambda: Fused(keep=torch.arange(tokens // 2).expand(count, -1)),
        }
        return changes.get(self._change, Fused)()


def _example_clips(encoder: Any) -> ClipBatch:
    """Return three clips in the encoder's pixel form, the second one frame shorter, with NaN or 255 behind it."""
    import torch

    generator = torch.Generator().manual_seed(0)
    size, length = encoder.preprocess.size, encoder.frame_count or 3
    frames = torch.rand(3, length, 3, size, size, generator=generator)
    valid = torch.ones(3, length, dtype=torch.bool)
    if length > 1:
        valid[1, -1] = False
    if encoder.pixel_form == "uint8":
        frames = (frames * 255).to(torch.uint8)
    elif encoder.pixel_form == "normalised":
        frames = frames * 2 - 1
    frames[~valid] = float("nan") if frames.is_floating_point() else 255
    return ClipBatch(frames, valid, torch.arange(length, dtype=torch.float64).expand(3, length))


def _some(clips: ClipBatch, rows: Any, length: int | None = None) -> ClipBatch:
    return ClipBatch(clips.frames[rows, :length], clips.valid[rows, :length], clips.times[rows, :length])


def _check_fuse_calls(fuse: _Recorder, clips: ClipBatch, *, stem: bool) -> None:
    assert len(fuse.calls) == 1, f"fuse was called {len(fuse.calls)} times; wanted once for a batch"
    ((seen, given),), wanted = fuse.calls, clips.packed()
    same = seen.shape == wanted.shape and bool((seen == wanted).all())
    assert same, f"fuse was given {tuple(seen.shape)}; wanted the valid frames in order, {tuple(wanted.shape)}"
    assert not stem or given is not None, "it accepts maps of its stem, but gives fuse no stem"


def _check_video_features(found: Any, clips: ClipBatch, *, width: int) -> None:
    import torch

    assert isinstance(found, VideoFeatures), f"returned {found!r}; wanted fdakit.plugin.VideoFeatures"
    count, several, own = found.vectors.shape
    assert (count, own) == (len(clips.valid), width), f"vectors {tuple(found.vectors.shape)}; wanted (3, m, {width})"
    if found.kind == "frame":
        assert several == clips.valid.shape[1], f"{several} vectors of kind 'frame' for {clips.valid.shape[1]} frames"
        assert torch.equal(found.valid, clips.valid), "vectors of kind 'frame' must be valid where their frames are"
    assert bool(found.valid.any(1).all()), "a video with valid frames has no valid vector"
    assert bool(torch.isfinite(found.vectors[found.valid]).all()), "padding reaches the vectors"


def _check_batches(encoder: Any, clips: ClipBatch, found: VideoFeatures) -> None:
    """Encode the clips again in other batches, orders and paddings."""
    import torch

    def check(other: ClipBatch, rows: Any, what: str) -> None:
        again, wanted = encoder.encode_videos(other, _Recorder()), found.rows(rows)
        assert torch.equal(again.valid.sum(1), wanted.valid.sum(1)), f"what is valid of a video depends on {what}"
        same = torch.allclose(again.vectors[again.valid], wanted.vectors[wanted.valid], atol=1e-5)
        assert same, f"a video's vectors depend on {what}"

    order = torch.tensor([2, 0, 1])
    check(_some(clips, slice(2, 3)), slice(2, 3), "the rest of the batch")
    check(_some(clips, order), order, "the order of the batch")
    filler = 0.5 if clips.frames.is_floating_point() else 7
    frames = clips.frames.masked_fill(~clips.valid[..., None, None, None], filler)
    check(replace(clips, frames=frames), slice(0, 3), "what its padding holds")
    if encoder.frame_count is None:
        check(_some(clips, slice(1, 2), length=-1), slice(1, 2), "how far it is padded")


def _check_training_abilities(encoder: Any, clips: ClipBatch) -> None:
    """Compare gradients with activations kept and computed again; look at the blocks, of an encoder that has them."""
    own = {id(module) for module in encoder.modules()}
    blocks = encoder.blocks() if isinstance(encoder, NamesBlocks) else ()
    assert all(id(block) in own for block in blocks), "blocks() names modules that are not its own"
    if isinstance(encoder, RecomputesActivations):
        _check_recomputation(encoder, clips)


def _check_recomputation(encoder: Any, clips: ClipBatch) -> None:
    import torch

    found = []
    for enable in (False, True):
        encoder.set_grad_checkpointing(enable)
        encoder.zero_grad()
        torch.manual_seed(0)
        for features in (encoder.encode_videos(clips, _Recorder()), encoder.encode_texts(_TEXTS)):
            if features.vectors.requires_grad:
                features.vectors.square().sum().backward()
        found.append([weight.grad for weight in encoder.parameters() if weight.grad is not None])
    encoder.set_grad_checkpointing(False)
    same = len(found[0]) == len(found[1]) and all(
        torch.allclose(one, other, rtol=1e-4, atol=1e-6, equal_nan=True) for one, other in zip(*found, strict=True)
    )
    assert same, "set_grad_checkpointing changes the gradients"


def _check_texts(encoder: Any) -> None:
    import torch

    for role in ("query", "document"):
        texts = encoder.encode_texts(_TEXTS, role)
        _check_text_shapes(texts, width=encoder.shapes.embedding)
        for rows in (slice(1, 2), slice(2, 0, -1)):
            some = encoder.encode_texts(_TEXTS[rows], role)
            chosen = list(range(3))[rows]
            same = torch.allclose(texts.vectors[chosen], some.vectors, atol=1e-5)
            assert same, "a text depends on the rest of the batch"
            if texts.tokens is not None:
                for place, kept in enumerate(chosen):
                    given = some.tokens[place][some.mask[place]], texts.tokens[kept][texts.mask[kept]]
                    same = given[0].shape == given[1].shape and torch.allclose(*given, atol=1e-5)
                    assert same, "the tokens of a text depend on the rest of the batch"
        if sent_tokeniser(encoder) is not None:
            _check_tokens(encoder, role)
    _check_roles(encoder)


def _check_tokens(encoder: Any, role: str) -> None:
    """Compare texts tokenised apart, one by one by a tokeniser that was pickled, with `encode_texts`."""
    import torch

    tokenise = pickle.loads(pickle.dumps(encoder.text_tokeniser(role)))
    rows = [tokenise([text]) for text in _TEXTS]
    for name in rows[0]:
        same = all(row[name].shape == (1, *rows[0][name].shape[1:]) for row in rows)
        assert same, f"text_tokeniser: the shape of {name!r} depends on the text"
    tokens = {name: torch.from_numpy(np.concatenate([row[name] for row in rows])) for name in rows[0]}
    vectors = encoder.encode_tokens(tokens, role).vectors
    same = torch.allclose(vectors, encoder.encode_texts(_TEXTS, role).vectors, atol=1e-5)
    assert same, "encode_tokens gives other vectors than encode_texts"


def _check_text_shapes(texts: Any, *, width: int) -> None:
    import torch

    shape = tuple(texts.vectors.shape)
    assert shape == (3, width), f"text vectors {shape}; wanted (3, {width})"
    assert bool(torch.isfinite(texts.vectors).all()), "text vectors are not finite"
    if texts.tokens is not None:
        assert texts.tokens.shape[2] == width, f"tokens are {texts.tokens.shape[2]} wide; wanted {width}"
        assert bool(texts.mask.any(1).all()), "a text has no token"
        assert bool(torch.isfinite(texts.tokens[texts.mask]).all()), "vectors of tokens are not finite"
    if texts.cut is not None:
        assert tuple(texts.cut.shape) == (3,), f"cut has the shape {tuple(texts.cut.shape)}; wanted (3,)"


def _check_roles(encoder: Any) -> None:
    import torch

    query, document = (encoder.encode_texts(_TEXTS, role).vectors for role in ("query", "document"))
    same = torch.allclose(query, document, atol=1e-5)
    if isinstance(encoder, TextRoles) and encoder.asymmetric:
        assert not same, "it says that it is asymmetric, but queries and documents have the same vectors"
    else:
        assert same, "queries and documents differ; offer `asymmetric = True` and `instructions`"
