"""Laws of encoders and of the fusions at their stem."""

from __future__ import annotations

from typing import Any

from fdakit.plugin.component import BuildContext, StemConvolution
from fdakit.values import Fused

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
    """Check a fusion: finite maps of the right shapes, inputs untouched; at `neutral` alpha the stem's own maps.

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
        assert len(fused.features) == len(plain), f"{len(fused.features)} maps for {len(plain)} convolutions"
        for given, own in zip(fused.features, plain, strict=True):
            assert given.shape == own.shape, f"map of shape {tuple(given.shape)}; the stem's is {tuple(own.shape)}"
            assert bool(torch.isfinite(given).all()), "a map holds values that are not finite"
        _check_steering(fused, frames=3, shapes=shapes)
        numbers.add(None if fused.keep is None else fused.keep.shape[1])
    assert len(numbers) == 1, f"keep holds {sorted(map(str, numbers))} positions by alpha; one number is wanted"
    assert torch.equal(rgb, kept[0]), "the fusion changed rgb"
    assert torch.equal(alpha, kept[1]), "the fusion changed alpha"
    if neutral is not None:
        fused = fusion(rgb, torch.full_like(alpha, neutral), stem)
        for given, own in zip(fused.features, plain, strict=True):
            assert torch.equal(given, own), f"alpha {neutral} must leave the stem's maps bit-equal"


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
    """Right shapes, blind to padding, and the same vectors (1e-5) in any batch, for frames and for texts."""
    import torch

    encoder = build_kind("encoder", component, **options).eval()
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
