"""The torch side of `alpha-conv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fdakit import CheckpointError, Fused, Stem, StemConvolution


class AlphaConv(nn.Module):
    """A bias-free convolution on alpha for each convolution of the stem, all starting at zero."""

    def __init__(self, stem: Sequence[StemConvolution], *, mean: float, std: float) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(_parallel(convolution) for convolution in stem)
        self.mean = mean
        self.std = std

    def start_from(self, encoder: Any) -> None:
        """Take the weights that came with the encoder's checkpoint, if it was an Alpha-CLIP one.

        Raises `CheckpointError` where they have another shape than the stem.
        """
        weights = getattr(encoder, "alpha_weights", ())
        for convolution, weight in zip(self.convolutions, weights, strict=False):
            own: torch.Tensor = convolution.weight  # type: ignore[assignment]
            if own.shape != weight.shape:
                raise CheckpointError(
                    f"conv1_alpha of the visual checkpoint is {tuple(weight.shape)}; "
                    f"this stem needs {tuple(own.shape)}"
                )
            with torch.no_grad():
                own.copy_(weight)

    def forward(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem) -> Fused:
        """`rgb (n, 3, h, w)`, `alpha (n, 1, h, w)` in [0, 1] -> the stem's maps with alpha's added."""
        level = (alpha - self.mean) / self.std
        maps = zip(stem(rgb), self.convolutions, strict=True)
        return Fused(tuple(features + convolution(level) for features, convolution in maps))


def _parallel(facts: StemConvolution) -> nn.Conv2d:
    convolution = nn.Conv2d(1, facts.channels, facts.kernel, facts.stride, facts.padding, facts.dilation, bias=False)
    nn.init.zeros_(convolution.weight)
    return convolution
