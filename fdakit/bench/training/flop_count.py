"""Floating-point operations of training and encoding, counted once: without recomputation, whatever the kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.features import ClipBatch
from fdakit.inference.batch_alphas import batch_alphas
from fdakit.inference.factory import build_objectives, build_retriever
from fdakit.model.retriever import Retriever
from fdakit.recipe.recipe import Recipe
from fdakit.system.ranks import Ranks
from fdakit.training.forward_pass import Forward
from fdakit.training.optimisation.grouped_optimiser import build_optimiser
from fdakit.training.shares import Shares, share


def count_flops(recipe: Recipe, batch: LoadedBatch, device: torch.device) -> tuple[float, float]:
    """Return the operations of a training step and of encoding the clips, each for one pair of a batch.

    A multiplication with its addition counts as two. Counted by torch on the few pairs of `batch`, so what grows with
    the square of the batch, the similarities, is left out.
    """
    retriever = build_retriever(recipe, device=device, pretrained=False).train()
    objectives = build_objectives(recipe, retriever, device)
    # It freezes what the recipe freezes, of which no gradient is computed.
    build_optimiser(recipe.optimiser, retriever, [one.part for one in objectives], recipe.train)
    forward = Forward(retriever, objectives, device=device, precision="fp32", seed=recipe.seed, ranks=Ranks())
    whole = share(batch, Shares.of(len(batch.ids), micro_batch=None, ranks=1), Ranks())
    with counted_operations() as training:
        forward(whole, step=1).backward()
    with counted_operations() as encoding, torch.no_grad():
        encode(retriever, batch, device)
    return training.get_total_flops() / len(batch.ids), encoding.get_total_flops() / len(batch.ids)


@contextmanager
def counted_operations() -> Iterator[FlopCounterMode]:
    """Count the operations of what is inside: matrix products, convolutions, attention and recurrent layers.

    Modules must be in training mode: in evaluation torch fuses attention into one operation that is not counted. So
    are LSTMs on the CPU and all recurrent layers on the GPU, unless their libraries are switched off as here.
    """
    onednn: Any = torch.backends.mkldnn  # its types say something else than it accepts
    former, onednn.enabled = onednn.enabled, False
    try:
        with (
            torch.backends.cudnn.flags(enabled=False),
            sdpa_kernel(SDPBackend.MATH),
            FlopCounterMode(display=False) as counted,
        ):
            yield counted
    finally:
        onednn.enabled = former


def encode(retriever: Retriever, batch: LoadedBatch, device: torch.device) -> torch.Tensor:
    """Return what is compared of a batch's clips, on the device."""
    clips = ClipBatch.of(batch, device)
    (alpha,) = batch_alphas(retriever, batch, clips).values()
    return retriever.aggregate(retriever.encode_videos(clips, alpha)).vectors


def training_modes(*modules: nn.Module) -> dict[nn.Module, bool]:
    """Return for every module below these whether it is in training mode, to be set again."""
    return {one: one.training for module in modules for one in module.modules()}
