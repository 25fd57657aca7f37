"""AdamW with CLIP's constants: betas 0.9 / 0.98, eps 1e-6, weight decay 0.2 (arXiv 2103.00020, table 18)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, OptimiserFactory, Options, hookimpl

if TYPE_CHECKING:
    import torch


class AdamWOptions(Options):
    """Constants of the update; the learning rate comes from `[train]`."""

    beta1: float = Field(0.9, ge=0, lt=1, description="decay of the first moment")
    beta2: float = Field(0.98, ge=0, lt=1, description="decay of the second moment")
    eps: float = Field(1e-6, gt=0, description="added to the root of the second moment")
    weight_decay: float = Field(0.2, ge=0, description="decoupled decay; never on biases, norms and scales")


def build(options: AdamWOptions, shapes: BuildContext) -> OptimiserFactory:
    """Return a factory of torch's fused AdamW."""

    def make(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        import torch

        ready = [
            {"params": g["params"], "lr": g["lr"], "weight_decay": options.weight_decay if g["decays"] else 0.0}
            for g in groups
        ]
        return torch.optim.AdamW(ready, betas=(options.beta1, options.beta2), eps=options.eps, fused=True)

    return make


ADAMW = Component("adamw", "AdamW with CLIP's constants", AdamWOptions, build)


@hookimpl
def fdakit_optimisers() -> Iterable[Component[Any, OptimiserFactory]]:
    return (ADAMW,)
