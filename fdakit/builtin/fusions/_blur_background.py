"""The torch side of `blur-background`."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import conv2d, pad

from fdakit.plugin import Fused, Stem


class BlurBackground:
    """A separable Gaussian blur of the image, behind what is marked. `sigma` in pixels."""

    def __init__(self, sigma: float) -> None:
        reach = max(1, math.ceil(3 * sigma))
        line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
        self._line = line / line.sum()

    def __call__(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem) -> Fused:
        """Fuse `rgb (n, 3, h, w)` and `alpha (n, 1, h, w)` in [0, 1]."""
        return Fused(stem(alpha * rgb + (1 - alpha) * self._blurred(rgb)))

    def _blurred(self, rgb: torch.Tensor) -> torch.Tensor:
        line = self._line.to(rgb)
        reach = len(line) // 2
        planes = pad(rgb.flatten(0, 1).unsqueeze(1), (reach,) * 4, mode="replicate")
        blurred = conv2d(conv2d(planes, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1))
        return blurred.view_as(rgb)
