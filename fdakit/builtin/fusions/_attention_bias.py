"""The torch side of `attention-bias`."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from fdakit.plugin import Fused, FusionOutput, Stem


class AttentionBias(nn.Module):
    """`strength` times the marked share of each patch."""

    uses: frozenset[FusionOutput] = frozenset({"attention_bias"})

    def __init__(self, strength: float, *, learn: bool, grid: tuple[int, int], first: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.tensor(float(strength)), requires_grad=learn)
        self._grid = grid
        self._first = first

    def forward(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem) -> Fused:
        """Fuse `rgb (n, 3, h, w)` and `alpha (n, 1, h, w)` in [0, 1]."""
        coverage = adaptive_avg_pool2d(alpha, self._grid).flatten(1)
        return Fused(attention_bias=self.strength * coverage, bias_from=self._first)
