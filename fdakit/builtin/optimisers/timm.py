"""Any optimiser of timm's registry by its name: lion, lamb, muon, adan, sgd and some eighty more.

Source: Wightman, PyTorch Image Models; `timm.optim.list_optimizers()` lists the names. Options that are left out keep
timm's constants.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, OptimiserFactory, Options, hookimpl


class TimmOptions(Options):
    """Which optimiser, and its constants; the learning rate comes from `[train]`."""

    name: str = Field("adamw", description="timm's name of the optimiser")
    weight_decay: float = Field(
        0.0, ge=0, description="decay as that optimiser applies it; never on biases, norms and scales"
    )
    momentum: float | None = Field(None, ge=0, lt=1, description="left out: timm's own, mostly 0.9")
    beta1: float | None = Field(None, ge=0, lt=1, description="decay of the first moment; left out: timm's own")
    beta2: float | None = Field(None, ge=0, lt=1, description="decay of the second moment; left out: timm's own")
    eps: float | None = Field(None, gt=0, description="added to a divisor; left out: timm's own")


def build(options: TimmOptions, shapes: BuildContext) -> OptimiserFactory:
    """Return the factory. Raises `RecipeError` for an unknown optimiser, or an option that it does not accept."""
    from ._timm import timm_factory

    return timm_factory(options)


TIMM = Component(
    "timm", "any optimiser of timm, by name", TimmOptions, build, when="an optimiser other than AdamW is wanted"
)


@hookimpl
def fdakit_optimisers() -> Iterable[Component[Any, OptimiserFactory]]:
    return (TIMM,)
