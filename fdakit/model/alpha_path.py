"""The alpha path of Alpha-CLIP, a base for fusions: a convolution on alpha parallel to each of the stem's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from fdakit.errors import CheckpointError
from fdakit.features import FusionOutput
from fdakit.plugin.abilities import HasAlphaWeights
from fdakit.plugin.component import StemConvolution
from fdakit.plugin.contracts import Encoder


class AlphaPath(nn.Module):
    """Bias-free convolutions on `(alpha - mean) / std`, one for each of the stem's, all starting at zero.

    Source: Alpha-CLIP, arXiv 2312.03818, section 3.2. Derive a fusion from it and give it a `forward`.
    """

    uses: frozenset[FusionOutput] = frozenset({"stem"})

    def __init__(self, stem: Sequence[StemConvolution], *, mean: float = 0.5, std: float = 0.26) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(_parallel(convolution) for convolution in stem)
        self.mean = mean
        self.std = std

    def start_from(self, encoder: Encoder) -> bool:
        """Load the alpha weights of the encoder's checkpoint; return False if it was not an Alpha-CLIP one.

        Raises `CheckpointError` if they have another shape than the stem.
        """
        weights = encoder.alpha_weights if isinstance(encoder, HasAlphaWeights) else ()
        for convolution, weight in zip(self.convolutions, weights, strict=False):
            own: torch.Tensor = convolution.weight  # type: ignore[assignment]
            if own.shape != weight.shape:
                raise CheckpointError(
                    f"conv1_alpha of the visual checkpoint is {tuple(weight.shape)}; "
                    f"this stem needs {tuple(own.shape)}"
                )
            with torch.no_grad():
                own.copy_(weight)
        return bool(weights)

    def maps(self, alpha: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return one map `(n, d, gh, gw)` a convolution of `alpha (n, 1, h, w)` in [0, 1]."""
        level = (alpha - self.mean) / self.std
        return tuple(convolution(level) for convolution in self.convolutions)


def _parallel(facts: StemConvolution) -> nn.Conv2d:
    convolution = nn.Conv2d(1, facts.channels, facts.kernel, facts.stride, facts.padding, facts.dilation, bias=False)
    nn.init.zeros_(convolution.weight)
    return convolution
