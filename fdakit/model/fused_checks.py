"""What a fusion gave, looked at: outputs of the right shapes, so that its faults are not taken for the encoder's."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from fdakit.features import Fused, FusionOutput
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Stem
from fdakit.values import describe


def fused_fault(fused: Fused, pixels: torch.Tensor, *, uses: frozenset[FusionOutput], shapes: BuildContext) -> str:
    """Return what does not fit in the outputs for `pixels (n, 3, h, w)`; "" where all fit.

    Waits for no device. `shapes` are the encoder's; of what it does not tell, as a grid of 0, nothing is asked.
    """
    if unsaid := fused.outputs() - uses:
        return f"gave {', '.join(sorted(unsaid))}, which its `uses` does not list"
    made = fused.pixels
    if made is not None and (made.shape != pixels.shape or not made.is_floating_point()):
        return f"gave pixels {describe(made)}; wanted {tuple(pixels.shape)}"
    return _maps_fault(fused, len(pixels), shapes) or _token_fault(fused, len(pixels), shapes)


def _maps_fault(fused: Fused, count: int, shapes: BuildContext) -> str:
    if fused.features is None or not shapes.stem:
        return ""
    if len(fused.features) != len(shapes.stem):
        return f"gave {len(fused.features)} maps; this stem has {len(shapes.stem)} convolutions"
    for number, (given, stem) in enumerate(zip(fused.features, shapes.stem, strict=True)):
        if given.ndim != 4 or tuple(given.shape[:2]) != (count, stem.channels) or not given.is_floating_point():
            return f"gave map {number} as {describe(given)}; wanted floats ({count}, {stem.channels}, height, width)"
    return ""


def _token_fault(fused: Fused, count: int, shapes: BuildContext) -> str:
    tokens = shapes.grid[0] * shapes.grid[1] if shapes.layers else 0
    keep, bias = fused.keep, fused.attention_bias
    if keep is not None:
        fits = keep.ndim == 2 and len(keep) == count and keep.dtype == torch.int64 and keep.shape[1] > 0
        if not fits or 0 < tokens < keep.shape[1]:
            return f"gave keep {describe(keep)}; wanted int64 ({count}, k), k from 1 to {tokens or 'the patches'}"
    counts = fused.keep_counts
    if counts is not None and (tuple(counts.shape) != (count,) or counts.dtype != torch.int64):
        return f"gave keep_counts {describe(counts)}; wanted int64 ({count},)"
    if bias is not None:
        fits = bias.ndim == 2 and len(bias) == count and bias.is_floating_point()
        if not fits or tokens not in (0, bias.shape[1]):
            return f"gave attention_bias {describe(bias)}; wanted floats ({count}, {tokens or 'patches'})"
    return ""


@dataclass
class FusedTrail:
    """What fusions gave while an encoder worked, to find whose fault a failure is: sizes, and positions kept."""

    maps: list[tuple[tuple[torch.Size, ...], torch.Size, torch.device, Stem]] = field(default_factory=list)
    kept: list[torch.Tensor] = field(default_factory=list)
    finite: bool = True

    def note(self, fused: Fused, pixels: torch.Tensor, stem: Stem, *, values: bool) -> None:
        """Keep sizes; with `values` also whether all numbers are finite, which waits for the device."""
        if fused.features is not None:
            self.maps.append((tuple(one.shape for one in fused.features), pixels.shape, pixels.device, stem))
        if fused.keep is not None:
            self.kept.append(fused.keep)
        if values:
            given = (*(fused.features or ()), fused.attention_bias, fused.pixels)
            self.finite &= all(bool(one.isfinite().all()) for one in given if one is not None)

    def fault(self, shapes: BuildContext) -> str:
        """Return what in it an encoder cannot work with: maps of another height and width, or positions outside."""
        for given, pixels, device, stem in self.maps:
            with torch.no_grad():
                wanted = [one.shape[2:] for one in stem(torch.zeros(1, *pixels[1:], device=device))]
            if [size[2:] for size in given] != wanted:
                found, sizes = (", ".join(str(tuple(size)) for size in some) for some in (given, wanted))
                return f"gave maps {found}; this stem's are {sizes} high and wide"
        tokens = shapes.grid[0] * shapes.grid[1] if shapes.layers else 0
        for keep in self.kept if tokens else ():
            if not keep.is_cuda and (int(keep.min()) < 0 or int(keep.max()) >= tokens):
                return f"gave keep from {int(keep.min())} to {int(keep.max())}; there are {tokens} patches, from 0"
        return ""
