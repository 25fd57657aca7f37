"""The torch side of `alpha-conv`."""

from __future__ import annotations

import torch

from fdakit.model import AlphaPath
from fdakit.plugin import Fused, Stem


class AlphaConv(AlphaPath):
    """The stem's maps plus those of alpha."""

    def forward(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem) -> Fused:
        """Fuse `rgb (n, 3, h, w)` and `alpha (n, 1, h, w)` in [0, 1]."""
        pairs = zip(stem(rgb), self.maps(alpha), strict=True)
        return Fused(tuple(features + added for features, added in pairs))
