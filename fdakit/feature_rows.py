"""Rows of features: joined, taken apart, moved and lengthened, every tensor of a value alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

Rows = TypeVar("Rows")
"""A frozen dataclass whose tensors have one row each for the same things."""


def joined(parts: Sequence[Rows]) -> Rows:
    """Return the rows of all parts; a field that one of them lacks is None."""
    import torch

    def join(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        if any(value is None for value in values):
            return None
        return torch.cat(values) if isinstance(values[0], torch.Tensor) else values[0]

    return _made(parts[0], join)


def taken(value: Rows, index: torch.Tensor | slice) -> Rows:
    """Return some of the rows; -1 in an index gives a row of zeros."""

    def take(rows: torch.Tensor) -> torch.Tensor:
        if isinstance(index, slice):
            return rows[index]
        places = index.to(rows.device)
        found = rows[places.clamp(min=0)]
        return found.masked_fill((places < 0).view(-1, *[1] * (found.ndim - 1)), 0)

    return mapped(value, take)


def moved(value: Rows, device: torch.device | str) -> Rows:
    """Return the rows on a device; float64 becomes float32 where a device lacks it."""
    import torch

    def move(held: torch.Tensor) -> torch.Tensor:
        small = held.dtype == torch.float64 and torch.device(device).type == "mps"
        return (held.float() if small else held).to(device)

    return mapped(value, move)


def lengthened(value: Rows, length: int, names: Sequence[str]) -> Rows:
    """Return the rows with the second dimension of the named tensors filled up with zeros to `length`."""
    import torch

    def lengthen(name: str) -> Any:
        held = getattr(value, name)
        if name not in names or held is None or held.shape[1] == length:
            return held
        return torch.cat([held, held.new_zeros((held.shape[0], length - held.shape[1], *held.shape[2:]))], dim=1)

    return _made(value, lengthen)


def mapped(value: Rows, change: Callable[[torch.Tensor], torch.Tensor]) -> Rows:
    """Return the value with every tensor changed."""
    import torch

    def changed(name: str) -> Any:
        held = getattr(value, name)
        return change(held) if isinstance(held, torch.Tensor) else held

    return _made(value, changed)


def _made(like: Rows, field_of: Callable[[str], Any]) -> Rows:
    names: Any = fields(like)  # type: ignore[arg-type]
    return type(like)(**{one.name: field_of(one.name) for one in names})
