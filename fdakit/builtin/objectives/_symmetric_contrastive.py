"""The torch side of `symmetric-contrastive`."""

from __future__ import annotations

from collections.abc import Mapping
from math import log

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from fdakit.plugin import Encoder, HasLogitScale, PairFeatures


class SymmetricContrastive(nn.Module):
    """The loss with its logit scale; text i and video i of a batch belong together."""

    def __init__(self, *, scale: float | None, max_scale: float, learn_scale: bool, label_smoothing: float) -> None:
        super().__init__()
        self._given = scale is not None
        self._max = log(max_scale)
        self._smoothing = label_smoothing
        self.logit_scale = nn.Parameter(torch.tensor(log(scale or 1 / 0.07)), requires_grad=learn_scale)

    def start_from(self, encoder: Encoder) -> None:
        """Initialise the scale from the encoder's, unless the options set one."""
        if not self._given and isinstance(encoder, HasLogitScale):
            with torch.no_grad():
                self.logit_scale.fill_(min(encoder.logit_scale, self._max))

    def forward(self, pairs: PairFeatures) -> Mapping[str, torch.Tensor]:
        """Return one loss, `contrastive`, of the matcher's scores `(q, v)`, q = v."""
        logits = self.scale * pairs.scores
        target = torch.arange(len(logits), device=logits.device)
        rows = cross_entropy(logits, target, label_smoothing=self._smoothing)
        columns = cross_entropy(logits.T, target, label_smoothing=self._smoothing)
        return {"contrastive": (rows + columns) / 2}

    @property
    def scale(self) -> torch.Tensor:
        """The factor on the scores."""
        return self.logit_scale.exp()

    def chance_loss(self, batch_size: int) -> float:
        """Return ln(batch size): the loss at equal logits, with or without label smoothing."""
        return log(batch_size)

    def after_step(self) -> None:
        """Clamp the scale."""
        with torch.no_grad():
            self.logit_scale.clamp_(max=self._max)
