"""Laws of encoders and of the fusions at their stem."""

from __future__ import annotations

from typing import Any

from fdakit.features import ClipBatch, Fused, VideoFeatures
from fdakit.plugin.component import BuildContext, StemConvolution

from .building import Part, build_kind


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
    """Check a fusion: finite outputs of the right shapes, inputs untouched; at `neutral` alpha no change.

    `neutral` is the alpha at which a fresh fusion changes nothing, bit for bit; None if it claims none. An
    `attention_bias` covers the grid and begins at a block that there is; `keep` lists positions of the grid,
    ascending, as many for every alpha.
    """
    import torch

    stem = ExampleStem()
    shapes = BuildContext(
        image_size=32, grid=(4, 4), prefix_tokens=1, width=8, layers=2, heads=1, stem=stem.convolutions
    )
    fusion = build_kind("fusion", component, shapes, **options)
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randn(3, 3, 32, 32, generator=generator)
    alpha = torch.rand(3, 1, 32, 32, generator=generator)
    kept = rgb.clone(), alpha.clone()
    plain, numbers = stem(rgb), set()
    for given_alpha in (alpha, torch.zeros_like(alpha), torch.ones_like(alpha)):
        fused = fusion(rgb, given_alpha, stem)
        unsaid = fused.outputs() - fusion.uses
        assert not unsaid, f"it gives {', '.join(sorted(unsaid))}, which its `uses` does not list"
        _check_maps(fused, rgb=rgb, plain=plain)
        _check_steering(fused, frames=3, shapes=shapes)
        numbers.add(None if fused.keep is None else fused.keep.shape[1])
    assert len(numbers) == 1, f"keep holds {sorted(map(str, numbers))} positions by alpha; one number is wanted"
    assert torch.equal(rgb, kept[0]), "the fusion changed rgb"
    assert torch.equal(alpha, kept[1]), "the fusion changed alpha"
    if neutral is not None:
        fused = fusion(rgb, torch.full_like(alpha, neutral), stem)
        for given, own in zip(fused.features or plain, plain, strict=True):
            assert torch.equal(given, own), f"alpha {neutral} must leave the stem's maps bit-equal"
        if fused.pixels is not None:
            assert torch.equal(fused.pixels, rgb), f"alpha {neutral} must leave the pixels bit-equal"


def _check_maps(fused: Fused, *, rgb: Any, plain: Any) -> None:
    import torch

    assert fused.pixels is None or fused.features is None, "pixels and maps at once; give one of the two"
    if fused.features is not None:
        assert len(fused.features) == len(plain), f"{len(fused.features)} maps for {len(plain)} convolutions"
        for given, own in zip(fused.features, plain, strict=True):
            assert given.shape == own.shape, f"map of shape {tuple(given.shape)}; the stem's is {tuple(own.shape)}"
            assert bool(torch.isfinite(given).all()), "a map holds values that are not finite"
    if fused.pixels is not None:
        assert fused.pixels.shape == rgb.shape, f"pixels {tuple(fused.pixels.shape)}; wanted {tuple(rgb.shape)}"
        assert bool(torch.isfinite(fused.pixels).all()), "pixels hold values that are not finite"


def _check_steering(fused: Fused, *, frames: int, shapes: BuildContext) -> None:
    tokens = shapes.grid[0] * shapes.grid[1]
    bias, keep = fused.attention_bias, fused.keep
    if bias is not None:
        assert tuple(bias.shape) == (frames, tokens), f"attention_bias {tuple(bias.shape)}; wanted {(frames, tokens)}"
        assert bool(bias.isfinite().all()), "attention_bias holds values that are not finite"
        assert 0 <= fused.bias_from <= shapes.layers, f"bias_from is {fused.bias_from} of {shapes.layers} blocks"
    if keep is not None:
        assert keep.ndim == 2, f"keep has the shape {tuple(keep.shape)}; wanted (frames, k)"
        assert len(keep) == frames, f"keep has {len(keep)} rows for {frames} frames"
        assert not keep.is_floating_point(), "keep must hold whole numbers"
        assert bool((keep.diff(dim=1) > 0).all()), "keep must ascend without repeats"
        assert int(keep.min()) >= 0, "keep holds positions below 0"
        assert int(keep.max()) < tokens, f"keep holds positions beyond the {tokens} of the grid"


def check_encoder(component: Part, *, image_size: int, **options: Any) -> None:
    """Right shapes, blind to padding, and the same vectors (1e-5) in any batch, for clips and for texts.

    `fuse` is called once, with the valid frames alone; changed pixels change the vectors if it accepts `pixels`.
    """
    import torch

    encoder = build_kind("encoder", component, **options).eval()
    size = encoder.preprocess.size
    assert size == image_size, f"preprocess.size is {size}; wanted {image_size}"
    clips = _example_clips(encoder)
    with torch.no_grad():
        fuse = _Recorder()
        found = encoder.encode_videos(clips, fuse)
        _check_fuse_calls(fuse, clips)
        _check_video_features(found, clips, width=encoder.shapes.embedding)
        last = ClipBatch(clips.frames[2:], clips.valid[2:], clips.times[2:])
        alone = encoder.encode_videos(last, _Recorder())
        kept = found.valid[2:]
        assert torch.equal(kept, alone.valid), "what is valid of a video depends on the rest of the batch"
        same = torch.allclose(found.vectors[2:][kept], alone.vectors[kept], atol=1e-5)
        assert same, "a video's vectors depend on the rest of the batch"
        if "pixels" in encoder.accepts:
            changed = encoder.encode_videos(clips, _Recorder(change=True)).vectors[found.valid]
            differs = not torch.allclose(changed, found.vectors[found.valid], atol=1e-6)
            assert differs, "it accepts 'pixels', but changed pixels do not change its vectors"
        _check_texts(encoder)


class _Recorder:
    """A fusion that changes nothing, or inverts the pixels, and keeps what it was called with."""

    def __init__(self, *, change: bool = False) -> None:
        self.calls: list[Any] = []
        self._change = change

    def __call__(self, pixels: Any, stem: Any) -> Fused:
        self.calls.append(pixels)
        if not self._change:
            return Fused()
        return Fused(pixels=255 - pixels if not pixels.is_floating_point() else 1 - pixels)


def _example_clips(encoder: Any) -> ClipBatch:
    """Return three clips in the encoder's pixel form, the second one frame shorter, with NaN or 255 behind it."""
    import torch

    generator = torch.Generator().manual_seed(0)
    size, length = encoder.preprocess.size, encoder.frame_count or 2
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


def _check_fuse_calls(fuse: _Recorder, clips: ClipBatch) -> None:
    assert len(fuse.calls) == 1, f"fuse was called {len(fuse.calls)} times; wanted once for a batch"
    (seen,), wanted = fuse.calls, clips.packed()
    same = seen.shape == wanted.shape and bool((seen == wanted).all())
    assert same, f"fuse was given {tuple(seen.shape)}; wanted the valid frames in order, {tuple(wanted.shape)}"


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


def _check_texts(encoder: Any) -> None:
    import torch

    width = encoder.shapes.embedding
    for role in ("query", "document"):
        texts = encoder.encode_texts(["a red circle", "a dog"], role)
        text = encoder.encode_texts(["a dog"], role)
        shape = tuple(texts.vectors.shape)
        assert shape == (2, width), f"text vectors {shape}; wanted (2, {width})"
        assert torch.allclose(texts.vectors[1:], text.vectors, atol=1e-5), "a text depends on the rest of the batch"
        if texts.tokens is not None:
            assert texts.tokens.shape[2] == width, f"tokens are {texts.tokens.shape[2]} wide; wanted {width}"
