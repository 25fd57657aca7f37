"""Alphas of a batch on their way to the device: uint8 levels where that is exact, float32 there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from .alpha_levels import TOP


def plain_tensor(alpha: torch.Tensor) -> torch.Tensor:
    """Return alpha in float32 on its device, with the bits of `plain` there."""
    if alpha.dtype != torch.uint8:
        return alpha
    # Divided by a tensor: a GPU would multiply by the inverse of a number, which rounds otherwise.
    return alpha.float().div_(torch.full((), float(TOP), device=alpha.device))


class TravellingAlphas(Mapping[str, torch.Tensor]):
    """The alphas of a batch by control, `(v, t, 1, h, w)`: uint8 levels until they are looked up, then float32."""

    def __init__(self, held: Mapping[str, torch.Tensor]) -> None:
        self.held = dict(held)

    def __getitem__(self, control: str) -> torch.Tensor:
        return plain_tensor(self.held[control])

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


def alphas_on(alphas: Mapping[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """Return alphas in float32 on a device; levels become float32 there."""
    return {control: plain_tensor(alpha.to(device)) for control, alpha in as_held(alphas).items()}
