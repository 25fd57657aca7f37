"""The forms in which pixels travel: uint8 as decoded, unit (divided by 255), normalised by mean and deviation."""

from __future__ import annotations

from typing import assert_never

import torch

from fdakit.features import PixelForm


def to_form(form: PixelForm, frames: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Return uint8 frames `(..., 3, h, w)` in the form; normalised as torchvision does, bit for bit."""
    match form:
        case "uint8":
            return frames
        case "unit":
            return frames.to(torch.float32).div_(255)
        case "normalised":
            return frames.to(torch.float32).div_(255).sub_(mean).div_(std)
        case _:
            assert_never(form)


def to_normalised(form: PixelForm, pixels: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Return pixels of the form normalised."""
    if form == "normalised":
        return pixels
    unit = pixels.to(torch.float32) / 255 if form == "uint8" else pixels
    return (unit - mean) / std


def from_normalised(form: PixelForm, pixels: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Return normalised pixels in the form; uint8 is rounded and clipped, so no gradient passes."""
    if form == "normalised":
        return pixels
    unit = pixels * std + mean
    return unit if form == "unit" else (unit * 255).round().clamp(0, 255).to(torch.uint8)
