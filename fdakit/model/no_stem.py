"""The stem of an encoder that has none."""

from __future__ import annotations

import torch

from fdakit.errors import PluginError
from fdakit.plugin.component import StemConvolution


class NoStem:
    """Stands in where an encoder gives no stem: a fusion that asks for its maps is refused by name."""

    convolutions: tuple[StemConvolution, ...] = ()

    def __init__(self, fusion: str) -> None:
        self._fusion = fusion

    def __call__(self, rgb: torch.Tensor) -> tuple[torch.Tensor, ...]:
        raise PluginError(
            f"{self._fusion} asks for maps of a stem, which this encoder does not have; choose a fusion that changes "
            "pixels alone"
        )
