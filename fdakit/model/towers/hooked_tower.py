"""A tower of any build: its own forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .stem import TowerStem, hand_over, pooled
from .tower_inputs import TowerInputs


class HookedTower:
    """A tower whose code fdakit does not know, such as a ResNet: its own forward pass, with no token to steer.

    Maps of a fusion are handed over by forward hooks on the stem's convolutions, which stand for that pass only; a
    compiled graph breaks there, and two threads must not share the tower. Without maps no hook is needed.
    """

    grid, prefix, width, layers, heads = (0, 0), 0, 0, 0, 0
    blocks: Sequence[nn.Module] = ()

    def __init__(self, visual: Any, stem: TowerStem) -> None:
        self._visual = visual
        self._stem = stem

    def __call__(self, inputs: TowerInputs) -> torch.Tensor:
        """Return vectors `(n, d)`."""
        if inputs.maps is None:
            return pooled(self._visual(inputs.pixels))
        with hand_over(self._stem.modules, inputs.maps):
            return pooled(self._visual(inputs.pixels))
