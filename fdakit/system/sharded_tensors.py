"""Tensors of which every rank holds a part: torch's `DTensor`, as `fully_shard` makes of weights.

What is called here by all ranks at once is said so; torch's module for them is imported only where there are some.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import torch


class ShardedTensor(torch.Tensor):
    """The members of a `DTensor` that are used here, for type checkers."""

    device_mesh: Any
    placements: Any

    def full_tensor(self) -> torch.Tensor:
        """Return the whole tensor, on every rank; called by all ranks at once."""
        raise NotImplementedError


def is_sharded(value: torch.Tensor) -> TypeGuard[ShardedTensor]:
    """Return whether this rank holds a part of the tensor alone."""
    return hasattr(value, "full_tensor")


def whole(value: torch.Tensor) -> torch.Tensor:
    """Return a tensor as it is, or gathered from all ranks, which call it at once."""
    return value.full_tensor() if is_sharded(value) else value


def sharded_as(like: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return a whole tensor, which every rank has, divided as `like` is; as it is if `like` is not divided."""
    if not is_sharded(like) or is_sharded(value):
        return value
    from torch.distributed.tensor import distribute_tensor

    on_device = value.detach().to(like.device, like.dtype)
    return distribute_tensor(on_device, like.device_mesh, like.placements, src_data_rank=None)
