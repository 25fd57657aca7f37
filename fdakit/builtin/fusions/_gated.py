"""The torch side of `gated`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fdakit.model import AlphaPath
from fdakit.plugin import Fused, Stem, StemConvolution


class Gated(AlphaPath):
    """An alpha path times one scalar. A closed gate before a zero convolution could never open: no gradient."""

    def __init__(self, stem: Sequence[StemConvolution], *, initial: float | None, mean: float, std: float) -> None:
        super().__init__(stem, mean=mean, std=std)
        for convolution in self.convolutions:
            nn.init.trunc_normal_(convolution.weight, std=0.02)  # type: ignore[arg-type]
        self._given = initial is not None
        self.gate = nn.Parameter(torch.tensor(initial or 0.0))

    def start_from(self, encoder: Any) -> bool:
        """Load the encoder's alpha weights and open the gate, unless the options set it."""
        taken = super().start_from(encoder)
        if taken and not self._given:
            with torch.no_grad():
                self.gate.fill_(1.0)
        return taken

    def forward(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem) -> Fused:
        """Fuse `rgb (n, 3, h, w)` and `alpha (n, 1, h, w)` in [0, 1]."""
        pairs = zip(stem(rgb), self.maps(alpha), strict=True)
        return Fused(tuple(features + self.gate * added for features, added in pairs))
