"""The sum of the towers' gradients over ranks, where the torch engines for it come in.

`TowerSum` adds them up when all are there; that is right for any towers. `ReplicatedTowers` has
`DistributedDataParallel` add them up while the last chunk's are still being made. `ShardedTowers` leaves those of
divided weights to `fully_shard`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from fdakit.system.ranks import Ranks
from fdakit.system.sharded_tensors import is_sharded

from .gathered_features import Features
from .gradient_sums import sum_gradients
from .shares import Chunk, SharedBatch

Encode = Callable[[Chunk, int], Features]
"""Encodes the pairs of a chunk at a step."""


class TowerSum:
    """Encodes chunks, and sums the gradients of `weights` over ranks at the end of a step."""

    def __init__(self, encode: Encode, weights: Sequence[nn.Parameter], ranks: Ranks) -> None:
        self._encode, self._weights, self._ranks = encode, weights, ranks

    @property
    def needs_all(self) -> bool:
        """Whether every feature needs a gradient in this step, if only of 0."""
        return False

    def begin(self, shared: SharedBatch) -> Sequence[Chunk]:
        """Begin a step; return the chunks that this rank encodes."""
        return shared.chunks

    def encode(self, chunk: Chunk, step: int, *, last: bool) -> Features:
        """Return the features of a chunk; `last` if its gradients are the last of the step on this rank."""
        return self._encode(chunk, step)

    def finish(self, *, heads_reach: bool) -> None:
        """Sum what the backward passes of all chunks have added; `heads_reach` if heads share weights of towers."""
        sum_gradients(self._weights, self._ranks)


class ReplicatedTowers(TowerSum):
    """`DistributedDataParallel`, from the second step on and where it gives the same sums.

    It needs every weight to have a gradient in every step, from the towers alone, on every rank, which the first
    step tells. A step is summed without it if a rank has no clip that could be read, or if some ranks have one chunk
    and others several: these begin their last chunk, and so DDP's own exchange, at another moment.
    """

    def __init__(
        self, encode: Encode, weights: Sequence[nn.Parameter], ranks: Ranks, *, parts: Mapping[str, nn.Module]
    ) -> None:
        super().__init__(encode, weights, ranks)
        self._module = _Towers(encode, parts)
        self._replica: DistributedDataParallel | None = None
        self._known = self._used = False

    @property
    def needs_all(self) -> bool:
        return self._used

    def begin(self, shared: SharedBatch) -> Sequence[Chunk]:
        alike = len({count == 1 for count in shared.chunk_counts}) == 1
        self._used = self._replica is not None and alike and min(shared.chunk_counts) > 0
        return shared.chunks

    def encode(self, chunk: Chunk, step: int, *, last: bool) -> Features:
        if not (last and self._used and self._replica is not None):
            return super().encode(chunk, step, last=last)
        with self._ranks.losses_noticed():
            found: Features = self._replica(chunk, step)
        return found

    def finish(self, *, heads_reach: bool) -> None:
        if self._used:
            return
        complete = not heads_reach and all(weight.grad is not None for weight in self._weights)
        super().finish(heads_reach=heads_reach)
        if not self._known:
            self._known = True
            if all(self._ranks.objects(complete)):
                with self._ranks.losses_noticed():
                    self._replica = _replica(self._module)


class ShardedTowers(TowerSum):
    """Towers with weights that `fully_shard` divided: it sums their gradients, chunk by chunk.

    All ranks fetch a block's weights at once, so that each encodes as often as the others: a rank with fewer chunks
    encodes blank ones, which get a gradient of 0.
    """

    def __init__(self, encode: Encode, weights: Sequence[nn.Parameter], ranks: Ranks) -> None:
        super().__init__(encode, [weight for weight in weights if not is_sharded(weight)], ranks)

    def begin(self, shared: SharedBatch) -> Sequence[Chunk]:
        counts = shared.chunk_counts
        blank = shared.chunks[0].blank() if shared.chunks else None
        if 0 in counts:  # a rank without any clip encodes one of another
            giver = next(rank for rank, count in enumerate(counts) if count)
            blank = self._ranks.objects(blank if self._ranks.rank == giver else None)[giver]
        assert blank is not None
        return (*shared.chunks, *[blank] * (max(counts) - len(shared.chunks)))

    def encode(self, chunk: Chunk, step: int, *, last: bool) -> Features:
        with self._ranks.losses_noticed(), warnings.catch_warnings():
            # of in-place changes of features, which nothing here makes
            warnings.filterwarnings("ignore", "FSDP2-wrapped module", UserWarning)
            return super().encode(chunk, step, last=last)


class _Towers(nn.Module):
    """The parts that encode, as the module whose output has the gradients."""

    def __init__(self, encode: Encode, parts: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self._encode = encode
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, chunk: Chunk, step: int) -> Features:
        return self._encode(chunk, step)


def _replica(module: nn.Module) -> DistributedDataParallel:
    """Return the module wrapped so that gradients are summed; DDP by itself would take their mean."""
    known = signature(DistributedDataParallel).parameters
    option = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"  # before torch 2.14
    settings: dict[str, Any] = {option: False}
    replica = DistributedDataParallel(module, **settings)
    replica.register_comm_hook(None, lambda _, bucket: _summed(bucket))
    return replica


def _summed(bucket: Any) -> torch.futures.Future[torch.Tensor]:
    work: Any = torch.distributed.all_reduce(bucket.buffer(), async_op=True)
    future: torch.futures.Future[torch.Tensor] = work.get_future().then(lambda done: done.value()[0])
    return future


def tower_sum(
    encode: Encode, weights: Sequence[nn.Parameter], ranks: Ranks, *, parts: Mapping[str, nn.Module]
) -> TowerSum:
    """Return what sums the gradients of `weights`, those of the `parts` that encode."""
    if any(is_sharded(weight) for part in parts.values() for weight in part.parameters()):
        return ShardedTowers(encode, weights, ranks)
    if ranks.connected and weights:
        return ReplicatedTowers(encode, weights, ranks, parts=parts)
    return TowerSum(encode, weights, ranks)
