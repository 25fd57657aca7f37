"""Sums of gradients over ranks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from fdakit.system.ranks import Ranks


def sum_gradients(weights: Sequence[nn.Parameter], ranks: Ranks) -> None:
    """Replace each weight's gradient by the sum over ranks; one that no rank has stays None."""
    if ranks.size == 1:
        return
    told = ranks.objects([weight.grad is not None for weight in weights])
    chosen = [weight for weight, has in zip(weights, map(any, zip(*told, strict=True)), strict=True) if has]
    for weight in chosen:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
    ranks.add_up([weight.grad for weight in chosen if weight.grad is not None])


def copy_gradients(weights: Sequence[nn.Parameter], ranks: Ranks) -> None:
    """Give every rank the gradients of rank 0, where equal ones may differ by the order of a GPU's sums."""
    ranks.copy_first([weight.grad for weight in weights if weight.grad is not None])


@contextmanager
def gradients_apart(weights: Sequence[nn.Parameter]) -> Iterator[list[torch.Tensor | None]]:
    """Yield the gradients that the block adds to weights, filled in at its end; the weights keep those of before."""
    before = [weight.grad for weight in weights]
    for weight in weights:
        weight.grad = None
    found: list[torch.Tensor | None] = []
    yield found
    found += [weight.grad for weight in weights]
    for weight, grad in zip(weights, before, strict=True):
        weight.grad = grad


def add_gradients(weights: Sequence[nn.Parameter], more: Sequence[torch.Tensor | None]) -> None:
    """Add gradients to those of weights."""
    for weight, grad in zip(weights, more, strict=True):
        if grad is not None:
            weight.grad = grad if weight.grad is None else weight.grad + grad
