"""The torch side of `timm`."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import Any

import torch
from timm.optim import create_optimizer_v2, get_optimizer_class, get_optimizer_info, list_optimizers

from fdakit.plugin import OptimiserFactory, RecipeError


def timm_factory(options: Any) -> OptimiserFactory:
    """Return a factory for groups with `params`, `lr` and `decays`, after checking name and options."""
    _check_name(options.name)
    constants = _constants(options)

    def make(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        ready = [
            {"params": g["params"], "lr": g["lr"], "weight_decay": options.weight_decay if g["decays"] else 0.0}
            for g in groups
        ]
        optimiser: torch.optim.Optimizer = create_optimizer_v2(
            ready, opt=options.name, lr=ready[0]["lr"], weight_decay=options.weight_decay, **constants
        )
        return optimiser

    return make


def _check_name(name: str) -> None:
    known = list_optimizers()
    if name not in known:
        near = get_close_matches(name, known, n=3, cutoff=0.4)
        raise RecipeError(f"optimiser.name: timm has no optimiser {name!r}; near it: {', '.join(near or known)}")
    if get_optimizer_info(name).second_order:
        raise RecipeError(
            f"optimiser.name: {name!r} needs second derivatives, which training does not make; choose another, "
            "as 'adamw'"
        )
    try:
        get_optimizer_class(name)
    except (ImportError, AssertionError) as error:  # those of apex and bitsandbytes
        raise RecipeError(f"optimiser.name: {name!r} cannot be had here ({error}); choose another") from error


def _constants(options: Any) -> dict[str, Any]:
    """Return the options that are set, under timm's names.

    timm itself would silently ignore what an optimiser does not accept.
    """
    info = get_optimizer_info(options.name)
    given = {
        key: value for key in ("momentum", "beta1", "beta2", "eps") if (value := getattr(options, key)) is not None
    }
    takes = {"momentum": info.has_momentum, "beta1": info.has_betas, "beta2": info.has_betas, "eps": info.has_eps}
    faults = [f"optimiser.{key}: {options.name!r} takes none; leave it out" for key in given if not takes[key]]
    if faults:
        raise RecipeError(faults)
    constants: dict[str, Any] = {key: given[key] for key in ("momentum", "eps") if key in given}
    if options.beta1 is not None or options.beta2 is not None:
        constants["betas"] = _betas(options)
    return constants


def _betas(options: Any) -> tuple[float, ...]:
    """Return timm's own betas, replaced by those of the options; some optimisers have a third."""
    own = (get_optimizer_info(options.name).defaults or {}).get("betas")
    if own is None:
        kind: Any = get_optimizer_class(options.name, bind_defaults=False)
        own = inspect.signature(kind).parameters["betas"].default
    if own is None and None in (options.beta1, options.beta2):
        raise RecipeError(f"optimiser: {options.name!r} has no betas of its own; set both beta1 and beta2")
    first, second, *rest = own or (0.0, 0.0)
    return (
        first if options.beta1 is None else options.beta1,
        second if options.beta2 is None else options.beta2,
        *rest,
    )
