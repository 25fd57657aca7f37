"""Alphas of a batch on their way to the device: uint8 levels where that is exact, float32 there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from fdakit.model.pixel_forms import plain_alpha


class TravellingAlphas(Mapping[str, torch.Tensor]):
    """The alphas of a batch by control, `(v, t, 1, h, w)`: uint8 levels until they are looked up, then float32."""

    def __init__(self, held: Mapping[str, torch.Tensor]) -> None:
        self.held = dict(held)

    def __getitem__(self, control: str) -> torch.Tensor:
        return plain_alpha(self.held[control])

    def __iter__(self) -> Iterator[str]:
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)


def as_held(alphas: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """Return alphas as they are held, levels or float32."""
    return alphas.held if isinstance(alphas, TravellingAlphas) else alphas


def rows_of_alphas(alphas: Mapping[str, torch.Tensor], rows: slice) -> TravellingAlphas:
    """Return the alphas of some clips."""
    return TravellingAlphas({control: alpha[rows] for control, alpha in as_held(alphas).items()})
