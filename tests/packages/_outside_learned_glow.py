"""The torch side of `learned-glow`."""

from __future__ import annotations

import torch
from torch import nn

from fdakit.plugin import ClipBatch, Needs, Place


class Glow(nn.Module):
    """A sigmoid of the grey level."""

    needs = Needs()
    place: Place = "device"

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(threshold))
        self.sharpness = nn.Parameter(torch.tensor(10.0))

    def forward(self, clips: ClipBatch) -> torch.Tensor:
        """Return alpha `(v, t, h, w)` of uint8 frames `(v, t, 3, h, w)`."""
        grey = clips.frames.float().mean(2) / 255
        above = grey - grey.mean((2, 3), keepdim=True)
        return (self.sharpness * (above - self.threshold)).sigmoid()
