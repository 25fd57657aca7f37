"""BertAdam, the optimiser of CLIP4Clip: Adam without bias correction, each tensor's gradient clipped by itself.

`m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`, `w -= lr (m / (sqrt(v) + eps) + decay w)`. Source:
`modules/optimization.py`. Its learning rate is that of `[train]`; `schedule = "bert-cosine"` there is its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, OptimiserFactory, Options

if TYPE_CHECKING:
    import torch


class BertAdamOptions(Options):
    """Constants of the update; the learning rate and its schedule come from `[train]`."""

    beta1: float = Field(0.9, ge=0, lt=1, description="decay of the first moment")
    beta2: float = Field(0.98, ge=0, lt=1, description="decay of the second moment")
    eps: float = Field(1e-6, gt=0, description="added to the root of the second moment")
    weight_decay: float = Field(0.2, ge=0, description="decoupled decay of what train.decay_rule says")
    tensor_norm: float = Field(1.0, ge=0, description="largest gradient norm of each tensor; 0: no clipping")


def build(options: BertAdamOptions, shapes: BuildContext) -> OptimiserFactory:
    """Return a factory of the optimiser."""

    def make(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        from ._bert_adam import BertAdam

        ready = [
            {"params": g["params"], "lr": g["lr"], "weight_decay": options.weight_decay if g["decays"] else 0.0}
            for g in groups
        ]
        betas = (options.beta1, options.beta2)
        return BertAdam(ready, betas=betas, eps=options.eps, tensor_norm=options.tensor_norm)

    return make


BERT_ADAM = Component(
    "bert-adam",
    "Adam without bias correction, each gradient clipped by itself",
    BertAdamOptions,
    build,
    when="a training is to take the steps of CLIP4Clip's",
)
