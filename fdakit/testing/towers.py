"""Laws of fusions, with a stem and without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fdakit.features import Fused, FusionOutput
from fdakit.plugin.clip_abilities import FusesClips
from fdakit.plugin.component import BuildContext, StemConvolution

from .building import Part, build_kind
from .encoders import check_encoder as check_encoder

_SHAPES = BuildContext(image_size=32, grid=(4, 4), prefix_tokens=1, width=8, layers=2, heads=1)


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
    ascending, as many for every alpha, or as many as `keep_counts` says. What a frame gets does not depend on the
    other frames, nor, of one that fuses clips (`FusesClips`), what a clip gets on other clips; `uses` lists what it
    gives and no more, and one that changes pixels alone asks no stem.
    """
    import torch

    stem = ExampleStem()
    shapes = replace(_SHAPES, stem=stem.convolutions)
    fusion = build_kind("fusion", component, shapes, **options)
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randn(3, 3, 32, 32, generator=generator)
    alpha = torch.rand(3, 1, 32, 32, generator=generator)
    kept = rgb.clone(), alpha.clone()
    plain, numbers, outputs = stem(rgb), set(), frozenset[FusionOutput]()
    for given_alpha in (alpha, torch.zeros_like(alpha), torch.ones_like(alpha)):
        fused = fusion(rgb, given_alpha, stem)
        outputs |= fused.outputs()
        unsaid = fused.outputs() - fusion.uses
        assert not unsaid, f"it gives {', '.join(sorted(unsaid))}, which its `uses` does not list"
        _check_maps(fused, rgb=rgb, plain=plain)
        _check_steering(fused, frames=3, shapes=shapes)
        numbers.add(None if fused.keep is None else fused.keep.shape[1])
    assert len(numbers) == 1, f"keep holds {sorted(map(str, numbers))} positions by alpha; one number is wanted"
    assert torch.equal(rgb, kept[0]), "the fusion changed rgb"
    assert torch.equal(alpha, kept[1]), "the fusion changed alpha"
    if neutral is not None:
        _check_neutral(fusion(rgb, torch.full_like(alpha, neutral), stem), neutral, rgb=rgb, plain=plain)
    unused = fusion.uses - outputs
    assert not unused, f"its `uses` lists {', '.join(sorted(unused))}, which it never gives"

    _check_alone(fusion, rgb, alpha, stem)
    if isinstance(fusion, FusesClips):
        _check_clips(fusion, rgb, alpha, stem, shapes)
    if fusion.uses <= {"pixels"}:
        _check_without_stem(fusion, rgb, alpha)


def _check_neutral(fused: Fused, neutral: float, *, rgb: Any, plain: Any) -> None:
    import torch

    for given, own in zip(fused.features or plain, plain, strict=True):
        assert torch.equal(given, own), f"alpha {neutral} must leave the stem's maps bit-equal"
    if fused.pixels is not None:
        assert torch.equal(fused.pixels, rgb), f"alpha {neutral} must leave the pixels bit-equal"


def _check_alone(fusion: Any, rgb: Any, alpha: Any, stem: Any) -> None:
    """Compare what a fusion gives a frame beside others with what it gives the frame alone."""
    import torch

    together, alone = fusion(rgb, alpha, stem), fusion(rgb[1:2], alpha[1:2], stem)
    pairs = [(together.pixels, alone.pixels), (together.attention_bias, alone.attention_bias)]
    pairs += zip(together.features or (), alone.features or (), strict=True)
    pairs += [] if together.keep is None else [(together.keep.double(), alone.keep.double())]
    for beside, single in pairs:
        same = beside is None or torch.allclose(beside[1:2], single, atol=1e-5)
        assert same, "what it gives a frame depends on the other frames"


def _check_clips(fusion: Any, rgb: Any, alpha: Any, stem: Any, shapes: BuildContext) -> None:
    """Compare what a fusion gives a clip beside another with what it gives the clip alone."""
    import torch

    together = fusion.fuse_clips(rgb, alpha, stem, torch.tensor([2, 2, 5]))
    _check_steering(together, frames=3, shapes=shapes)
    for rows, numbers in ((slice(0, 2), [0, 0]), (slice(2, 3), [0])):
        alone = fusion.fuse_clips(rgb[rows], alpha[rows], stem, torch.tensor(numbers))
        pairs = [(together.pixels, alone.pixels), (together.attention_bias, alone.attention_bias)]
        pairs += [*zip(together.features or (), alone.features or (), strict=True)]
        pairs += [] if together.keep is None else [(together.keep.double(), alone.keep.double())]
        same = all(beside is None or torch.allclose(beside[rows], one, atol=1e-5) for beside, one in pairs)
        assert same, "what it gives a clip depends on the other clips"


def _check_without_stem(fusion: Any, rgb: Any, alpha: Any) -> None:
    try:
        fusion(rgb, alpha, _NoStem())
    except _StemAskedError:
        raise AssertionError("it uses pixels alone, but asks for maps of a stem, which not every tower has") from None


class _StemAskedError(Exception):
    """Maps were asked of a stem that is not there."""


class _NoStem:
    convolutions: tuple[StemConvolution, ...] = ()

    def __call__(self, rgb: Any) -> tuple[Any, ...]:
        raise _StemAskedError


def _check_maps(fused: Fused, *, rgb: Any, plain: Any) -> None:
    import torch

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
        counts = keep.new_full((frames,), keep.shape[1]) if fused.keep_counts is None else fused.keep_counts
        assert tuple(counts.shape) == (frames,), f"keep_counts {tuple(counts.shape)}; wanted ({frames},)"
        assert 1 <= int(counts.min()) <= int(counts.max()) <= keep.shape[1], (
            "keep_counts beyond the positions of keep"
        )
        rows = [row[:count] for row, count in zip(keep, counts.tolist(), strict=True)]
        assert all(bool((row.diff() > 0).all()) for row in rows), "keep must ascend without repeats"
        assert int(keep.min()) >= 0, "keep holds positions below 0"
        assert int(keep.max()) < tokens, f"keep holds positions beyond the {tokens} of the grid"
