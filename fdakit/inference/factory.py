"""Construction of a recipe's retriever and objectives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from fdakit.errors import attribute_errors
from fdakit.model.retriever import Retriever
from fdakit.plugin.abilities import StartsFromEncoder, StatesPretrained
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import DeviceMaskGenerator, Encoder, Objective
from fdakit.recipe.build_context import base_shapes
from fdakit.recipe.part_fit import check_fit
from fdakit.recipe.recipe import Recipe

from .preprocessing import check_known, merged_preprocess


def build_retriever(recipe: Recipe, *, device: torch.device, pretrained: bool = True) -> Retriever:
    """Return encoder, fusion, aggregator and matcher combined, with weights initialised by the recipe's seed.

    With them the mask, if it works on the device.

    `pretrained = False` loads no weights: a checkpoint will replace them.
    """
    torch.manual_seed(recipe.seed)
    encoder = recipe.encoder.build(replace(base_shapes(recipe, device), pretrained=pretrained))
    preprocess = merged_preprocess(recipe, encoder.preprocess, size=encoder.preprocess.size)
    if pretrained:
        check_known(preprocess)
    shapes = replace(encoder.shapes, device=str(device))
    fusion, aggregator = recipe.fusion.build(shapes), recipe.aggregator.build(shapes)
    matcher = recipe.matcher.build(shapes)
    check_fit(recipe, encoder=encoder, fusion=fusion, aggregator=aggregator, matcher=matcher)
    if pretrained:
        for chosen, part in ((recipe.fusion, fusion), (recipe.aggregator, aggregator), (recipe.matcher, matcher)):
            _start_from(str(chosen.offer), part, encoder)
    mask = _device_mask(recipe, replace(shapes, image_size=preprocess.size))
    tables = ("encoder", "fusion", "aggregator", "matcher", *(("mask",) if mask is not None else ()))
    retriever = Retriever(
        encoder=encoder,
        fusion=fusion,
        aggregator=aggregator,
        matcher=matcher,
        preprocess=preprocess,
        labels={table: str(recipe.parts[table].offer) for table in tables},
        mask=mask,
    )
    return retriever.to(device)


def has_random_weights(encoder: Encoder) -> bool:
    """Return whether the encoder's weights are known to be random draws."""
    return isinstance(encoder, StatesPretrained) and not encoder.pretrained


def _device_mask(recipe: Recipe, shapes: BuildContext) -> DeviceMaskGenerator | None:
    """Return the mask if it works on the device; None if the data pipeline builds it.

    It is built after all others, so that the weights of these do not depend on it.
    """
    if recipe.mask.offer.component.declares.get("place") == "worker":
        return None
    mask: Any = recipe.mask.build(shapes)
    return mask if mask.place == "device" else None


def _start_from(label: str, part: object, encoder: Encoder) -> None:
    if isinstance(part, StartsFromEncoder):
        with attribute_errors(label, "in start_from"):
            part.start_from(encoder)


@dataclass(frozen=True)
class WeightedObjective:
    """An objective, its weight in the sum, and its label for errors."""

    part: Objective
    weight: float
    label: str
    name: str


def build_objectives(recipe: Recipe, retriever: Retriever, device: torch.device) -> tuple[WeightedObjective, ...]:
    """Return every `[[objective]]`, initialised from the encoder and moved to the device."""
    shapes = replace(retriever.encoder.shapes, device=str(device))
    found = []
    for chosen, weight in recipe.objectives:
        part = chosen.build(shapes)
        _start_from(str(chosen.offer), part, retriever.encoder)
        if isinstance(part, nn.Module):
            part.to(device)
        found.append(WeightedObjective(part, weight, str(chosen.offer), chosen.name))
    return tuple(found)


def count_parameters(retriever: Retriever, objectives: Sequence[Any] = ()) -> tuple[int, int]:
    """Return the parameter counts of a retriever and its objectives: all, and trainable. Shared ones count once."""
    modules = [part for part in (retriever, *objectives) if isinstance(part, nn.Module)]
    values = {id(value): value for module in modules for value in module.parameters()}.values()
    return sum(v.numel() for v in values), sum(v.numel() for v in values if v.requires_grad)
