"""The torch side of `attention-pool`."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import layer_norm, normalize

from fdakit.plugin import Gives, VideoFeatures


class AttentionPool(nn.Module):
    """Pools `(v, m, width)` with one query a head, `query (heads, width / heads)`, which begins at 0."""

    gives: Gives = "vector"

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(heads, width // heads))
        self.key = nn.Linear(width, width, bias=False)

    def forward(self, features: VideoFeatures) -> VideoFeatures:
        """Return vectors `(v, 1, width)` of unit length; zeros for a video without a valid one."""
        unit = normalize(features.vectors.float(), dim=-1).masked_fill(~features.valid.unsqueeze(-1), 0)
        shares = self.shares(unit, features.valid)
        slices = unit.view(*unit.shape[:-1], *self.query.shape)
        pooled = (shares.unsqueeze(-1) * slices).sum(1).flatten(1)
        return VideoFeatures.of_clips(normalize(pooled, dim=-1))

    def shares(self, unit: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Return how much each vector of `unit (v, m, width)` counts `(v, m, heads)`: over m they add up to 1.

        What is not `valid (v, m)` counts 0.
        """
        keys: torch.Tensor = self.key(layer_norm(unit, unit.shape[-1:])).float()
        keys = keys.view(*unit.shape[:-1], *self.query.shape)
        logits: torch.Tensor = (keys * self.query).sum(-1) / self.query.shape[-1] ** 0.5
        hidden = ~valid.unsqueeze(-1)
        # A large number instead of infinity: of a video without a valid vector softmax would give NaN.
        shares = logits.masked_fill(hidden, torch.finfo(logits.dtype).min).softmax(1)
        return shares.masked_fill(hidden, 0)
