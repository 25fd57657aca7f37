"""Pixels as a retriever's encoder is given them."""

from __future__ import annotations

import torch

from fdakit.model.retriever import Retriever


def normalised(retriever: Retriever, frames: torch.Tensor) -> torch.Tensor:
    """Frames uint8 `(..., 3, h, w)` divided by 255, less the retriever's mean, over its standard deviation."""
    colours = (retriever.get_buffer(name) for name in ("_mean", "_std"))
    return retriever.pixel_steps.to_form("normalised", frames, *colours)
