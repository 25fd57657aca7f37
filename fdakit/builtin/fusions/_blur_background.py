"""The torch side of `blur-background`."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import conv2d, pad

from fdakit.plugin import Fused, FusionOutput, Stem


class BlurBackground:
    """A separable Gaussian blur of the image, behind what is marked. `sigma` in pixels."""

    uses: frozenset[FusionOutput] = frozenset({"pixels"})

    def __init__(self, sigma: float) -> None:
        reach = max(1, math.ceil(3 * sigma))
        line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
        self._line = line / line.sum()

    def __call__(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem) -> Fused:
        """Fuse `rgb (n, 3, h, w)` and `alpha (n, 1, h, w)` in [0, 1]."""
        return Fused(pixels=alpha * rgb + (1 - alpha) * self._blurred(rgb))

    def _blurred(self, rgb: torch.Tensor) -> torch.Tensor:
        channels = rgb.shape[1]
        line = self._line.to(rgb).expand(channels, 1, 1, -1)
        padded = pad(rgb, (len(self._line) // 2,) * 4, mode="replicate")
        return conv2d(conv2d(padded, line, groups=channels), line.transpose(2, 3), groups=channels)
