"""Activations that are computed again in the backward pass instead of being kept: `train.grad_checkpointing`."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from fdakit.errors import PluginError, RecipeError
from fdakit.model.retriever import Retriever
from fdakit.plugin.abilities import RecomputesActivations

from .optimisation.freezing import frozen_batch_norms


def recompute_activations(retriever: Retriever) -> None:
    """Have the encoder compute the activations of its blocks again, after weights were frozen.

    Raises `RecipeError` if it cannot, or if a batch norm of it trains, which would see every batch twice.
    """
    encoder, label = retriever.encoder, retriever.labels["encoder"]
    if not isinstance(encoder, RecomputesActivations) or not isinstance(encoder, nn.Module):
        raise RecipeError(
            f"train.grad_checkpointing: {label} has no set_grad_checkpointing, so it cannot compute its activations "
            "again; leave the key out, and use train.micro_batch to save memory"
        )
    still = {id(norm) for norm in frozen_batch_norms([encoder])}
    trained = (n for n, m in encoder.named_modules() if isinstance(m, _BatchNorm) and id(m) not in still)
    if name := next(trained, ""):
        raise RecipeError(
            f"train.grad_checkpointing: {name} of {label} is a batch norm that trains, and would count every batch "
            "twice; leave the key out, or freeze its role with train.freeze"
        )
    try:
        encoder.set_grad_checkpointing(True)
    except PluginError as error:
        raise RecipeError(
            f"train.grad_checkpointing: {error}; leave the key out, and use train.micro_batch to save memory"
        ) from error
