"""`train.shard = "fsdp2"`: the weights of the encoder's blocks divided over the ranks, by torch's `fully_shard`.

A rank holds its part of their weights, gradients and optimiser state, and has one block whole at a time. What is not
in a block (embeddings, projections, fusion, heads) is small, and every rank holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import nn

from fdakit.errors import RecipeError
from fdakit.model.retriever import Retriever
from fdakit.plugin.abilities import NamesBlocks
from fdakit.settings import TrainSettings
from fdakit.system.ranks import Ranks
from fdakit.system.sharded_tensors import is_sharded

_FORWARD = ("encode_videos", "encode_texts", "encode_tokens")
_CALLED = ("set_force_sum_reduction_for_comms", "reset_iter_state")  # of what not every torch has


class ShardedBlocks:
    """The blocks of a retriever that are divided; none without `train.shard`, or on one process."""

    def __init__(self, encoder: Any = None, blocks: Sequence[Any] = (), ranks: Ranks | None = None) -> None:
        self._encoder, self._blocks, self._ranks = encoder, blocks, ranks or Ranks()

    def __bool__(self) -> bool:
        return bool(self._blocks)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Hold all weights of all blocks whole inside, on every rank, so that each encodes what it will."""
        with self._ranks.losses_noticed():
            for block in self._blocks:
                block.set_reshard_after_forward(False, recurse=False)
                block.unshard()
        try:
            yield
        finally:
            for block in self._blocks:
                block.set_reshard_after_forward(True, recurse=False)
            if self._blocks:  # Ranks have encoded differently often, and would fetch other blocks ahead of use.
                self._encoder.reset_iter_state()


def shard_blocks(
    retriever: Retriever, objectives: Iterable[object], train: TrainSettings, *, device: torch.device, ranks: Ranks
) -> ShardedBlocks:
    """Divide the weights of the encoder's blocks, those of rank 0, as `train.shard` says.

    Raises `RecipeError` for an encoder without blocks, a head that shares a weight with one, or too old a torch.
    """
    if train.shard == "none" or not ranks.connected:
        return ShardedBlocks()
    encoder = retriever.encoder
    if not isinstance(encoder, NamesBlocks) or not isinstance(encoder, nn.Module) or not encoder.blocks():
        label = retriever.labels["encoder"]
        raise RecipeError(f'train.shard: {label} names no blocks to divide; set train.shard = "none"')
    blocks: list[Any] = list(encoder.blocks())
    _check(retriever, blocks, objectives)
    copy_weights([retriever], ranks)
    return divide_blocks(encoder, blocks, device, ranks)


def _check(retriever: Retriever, blocks: Sequence[nn.Module], objectives: Iterable[object]) -> None:
    from torch.distributed.fsdp import FSDPModule

    if missing := [name for name in _CALLED if not hasattr(FSDPModule, name)]:
        raise RecipeError(
            f"train.shard: fully_shard of torch {torch.__version__} has no {missing[0]}; install a newer one, or set "
            'train.shard = "none"'
        )
    inside = {id(weight) for block in blocks for weight in block.parameters()}
    heads = {"aggregator": retriever.aggregator, "matcher": retriever.matcher}
    named = {retriever.labels[kind]: part for kind, part in heads.items()}
    named |= {type(part).__name__: part for part in objectives}
    for label, part in named.items():
        if isinstance(part, nn.Module) and any(id(weight) in inside for weight in part.parameters()):
            raise RecipeError(f'train.shard: {label} uses a weight of a block; set train.shard = "none"')


def copy_weights(modules: Iterable[nn.Module], ranks: Ranks) -> None:
    """Give every rank the weights of rank 0, but those that are divided."""
    held = [value for module in modules for value in module.state_dict().values()]
    ranks.copy_first([value for value in held if not is_sharded(value)])


def divide_blocks(encoder: Any, blocks: Sequence[nn.Module], device: torch.device, ranks: Ranks) -> ShardedBlocks:
    """Divide the weights of blocks of an encoder over all ranks, which call it at once."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(device.type, (ranks.size,))
    with ranks.losses_noticed():
        for block in blocks:
            scalars = {weight for weight in block.parameters() if not weight.ndim}  # which cannot be divided
            divided: Any = fully_shard(block, mesh=mesh, reshard_after_forward=True, ignored_params=scalars)
            _sum_instead_of_mean(divided)
        # The encoder has no weights of its own to divide: it leads the blocks, which are then fetched ahead of use.
        others = {weight for weight in encoder.parameters() if not is_sharded(weight)}
        fully_shard(encoder, mesh=mesh, ignored_params=others)
    for name in _FORWARD:
        if hasattr(encoder, name):
            register_fsdp_forward_method(encoder, name)
    # The first forward makes the encoder the blocks' root; a rank that validates first may have nothing to encode.
    encoder._empty_forward = MethodType(lambda self: None, encoder)
    register_fsdp_forward_method(encoder, "_empty_forward")
    encoder._empty_forward()
    return ShardedBlocks(encoder, blocks, ranks)


def _sum_instead_of_mean(block: Any) -> None:
    """Have gradients of ranks added up, as each has those of its own pairs."""
    block.set_gradient_divide_factor(1.0)
    block.set_force_sum_reduction_for_comms(True)  # Gloo knows no factors
