"""What is known of a run before any encoder is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fdakit.plugin.component import BuildContext
from fdakit.system.cache_folder import cache_folder

from .recipe import Recipe

if TYPE_CHECKING:
    import torch


def base_shapes(recipe: Recipe, device: torch.device) -> BuildContext:
    """Return what is known before any encoder is built."""
    return BuildContext(
        image_size=recipe.view.size or 224, seed=recipe.seed, cache=cache_folder(), device=str(device)
    )
