"""Learning rates: a plan for every weight, the optimiser's groups, and the table of `fdakit check`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any

import torch

from fdakit.choices import ROLES
from fdakit.errors import RecipeError
from fdakit.inference.factory import build_objectives, build_retriever
from fdakit.model.parameter_roles import Weight, list_weights, towers_of
from fdakit.model.retriever import Retriever
from fdakit.recipe.recipe import Recipe
from fdakit.settings import TrainSettings

from .freezing import freeze


@dataclass(frozen=True)
class ParameterPlan:
    """The plan of one weight: its peak rate (0 if frozen), whether it decays, and its place in the table.

    `layer` is None unless its rate depends on depth.
    """

    weight: Weight
    trains: bool
    rate: float
    decays: bool
    layer: int | None = None


def plan_training(retriever: Retriever, objectives: Sequence[Any], train: TrainSettings) -> tuple[ParameterPlan, ...]:
    """Freeze what `[train]` freezes, and plan every weight.

    Raises `RecipeError` if a key requires what the towers do not have, or a pattern matches no weight.
    """
    weights = list_weights(retriever, objectives)
    _check_patterns(train.no_decay, [weight.name for weight in weights])
    freeze(weights, train, encoder=retriever.labels["encoder"])
    scales: dict[str, float] = {}
    if train.layer_decay < 1:
        for tower in towers_of(retriever):
            scales |= tower.scales(train.layer_decay)
    return tuple(_planned(weight, train, scales) for weight in weights)


def _planned(weight: Weight, train: TrainSettings, scales: Mapping[str, float]) -> ParameterPlan:
    if not weight.value.requires_grad:
        return ParameterPlan(weight, trains=False, rate=0.0, decays=False)
    rate = train.rates.get(weight.role, train.learning_rate)
    decays = _decays(weight, train.decay_rule)
    decays = decays and not any(fnmatchcase(weight.name, pattern) for pattern in train.no_decay)
    if weight.name not in scales:
        return ParameterPlan(weight, trains=True, rate=rate, decays=decays)
    layer = weight.depth.layer if weight.depth else None
    return ParameterPlan(weight, trains=True, rate=rate * scales[weight.name], decays=decays, layer=layer)


def _decays(weight: Weight, rule: str) -> bool:
    """Return whether a rule lets a weight decay.

    CLIP4Clip's code (arXiv 2104.08860) names `bias` and `LayerNorm.weight`, of which CLIP's `ln_1.weight` is none.
    """
    return "bias" not in weight.name if rule == "clip4clip" else weight.value.ndim >= 2


def _check_patterns(patterns: Sequence[str], names: Sequence[str]) -> None:
    faults = []
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            tails = {".".join(parts[k:]) for name in names if (parts := name.split(".")) for k in range(len(parts))}
            close = get_close_matches(pattern.strip("*?."), sorted(tails), n=3)
            near = f"near it: {', '.join(close)}; " if close else ""
            faults.append(
                f"train.no_decay: {pattern!r} matches no weight; {near}write a full name or a pattern with *; "
                "`fdakit check RECIPE --verbose --json` lists every name"
            )
    if faults:
        raise RecipeError(faults)


def parameter_groups(plan: Sequence[ParameterPlan]) -> list[dict[str, Any]]:
    """Return groups of `params`, `lr`, `decays` and `name`.

    A single rate gives two: what decays, by default matrices and kernels, and the rest. Otherwise there is one group
    for every role, layer and kind. Frozen weights are in none.
    """
    trained = [planned for planned in plan if planned.trains]
    if len({planned.rate for planned in trained}) > 1:
        return [
            {"params": [p.weight.value for p in same], "lr": same[0].rate, "decays": same[0].decays, "name": name}
            for name, same in _rows(trained)
        ]
    split = [(decays, [p for p in trained if p.decays == decays]) for decays in (True, False)]
    return [
        {
            "params": [p.weight.value for p in same],
            "lr": same[0].rate,
            "decays": decays,
            "name": "all roles" if decays else "all roles, no decay",
        }
        for decays, same in split
        if same
    ]


def _rows(plan: Sequence[ParameterPlan]) -> Iterator[tuple[str, list[ParameterPlan]]]:
    """Yield the weights that share role, layer, decay and rate, with a name, ordered by role and layer."""

    def key(planned: ParameterPlan) -> tuple[int, bool, int, bool]:
        layer = -1 if planned.layer is None else planned.layer
        return ROLES.index(planned.weight.role), not planned.trains, layer, not planned.decays

    for _, same in groupby(sorted(plan, key=key), key):
        members = list(same)
        first = members[0]
        layer = "" if first.layer is None else f" layer {first.layer}"
        yield first.weight.role + layer + (", no decay" if first.trains and not first.decays else ""), members


@dataclass(frozen=True)
class Row:
    """A row of the table of trained weights. `rate` is None and `decays` false if the weights are frozen."""

    name: str
    trains: bool
    rate: float | None
    decays: bool
    parameters: int
    weights: tuple[str, ...]


def training_rows(recipe: Recipe) -> list[Row]:
    """Return what a recipe trains, by role; empty if `train.epochs = 0`.

    Builds its model with random weights; needs no weights, data or optimiser.

    Raises what building and planning raise, and errors of the optimiser's options.
    """
    device = torch.device("cpu")
    retriever = build_retriever(recipe, device=device, pretrained=False)
    objectives = build_objectives(recipe, retriever, device) if recipe.train.epochs else ()
    recipe.optimiser.build(retriever.encoder.shapes)
    plan = plan_training(retriever, [objective.part for objective in objectives], recipe.train)
    if not recipe.train.epochs:
        plan = tuple(ParameterPlan(planned.weight, trains=False, rate=0.0, decays=False) for planned in plan)
    return [
        Row(
            name=name,
            trains=same[0].trains,
            rate=same[0].rate if same[0].trains else None,
            decays=same[0].decays,
            parameters=sum(planned.weight.value.numel() for planned in same),
            weights=tuple(planned.weight.name for planned in same),
        )
        for name, same in _rows(plan)
    ]
