"""The forms in which pixels travel: uint8 as decoded, unit (divided by 255), normalised by mean and deviation.

Alpha travels as uint8 levels, multiples of 1/255, or in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, assert_never

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


def plain_alpha(alpha: torch.Tensor) -> torch.Tensor:
    """Return alpha in float32 on its device, levels with the bits that a CPU's division gives."""
    if alpha.dtype != torch.uint8:
        return alpha
    # Divided by a tensor: a GPU would multiply by the inverse of a number, which rounds otherwise.
    return alpha.float().div_(torch.full((), 255.0, device=alpha.device))


class PixelSteps:
    """The functions of this module, which a training may compile: each is one kernel then, whatever the encoder."""

    def __init__(self) -> None:
        self._take(lambda function: function)

    def _take(self, made: Callable[[Callable[..., torch.Tensor]], Callable[..., torch.Tensor]]) -> None:
        self.to_form, self.to_normalised = made(to_form), made(to_normalised)
        self.from_normalised, self.plain_alpha = made(from_normalised), made(plain_alpha)

    @contextmanager
    def compiled(self, **how: Any) -> Iterator[None]:
        """Run them compiled inside; `how` are arguments of `torch.compile`."""
        self._take(lambda function: torch.compile(function, **how))
        try:
            yield
        finally:
            self._take(lambda function: function)
