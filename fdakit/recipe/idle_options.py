"""Options that a recipe sets without effect, by what their declarations say: `WorksIf`, `IdleIf`, `AtMost`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fdakit.plugin.component import AtMost, IdleIf, WorksIf

from .recipe import Recipe
from .tables import SETTINGS


def idle_options(recipe: Recipe) -> tuple[str, ...]:
    """Return one line for each option that is set without effect: what caused it, why, and what to do.

    An option at its default counts as left out, so that a resolved recipe is told nothing that its author was not.
    """
    return tuple(recipe.blamed(line) for table, model in _tables(recipe) for line in _idle(recipe, table, model))


def _tables(recipe: Recipe) -> Iterator[tuple[str, BaseModel]]:
    for table, part in recipe.parts.items():
        yield table, part.options
    several = {
        "objective": [part for part, _ in recipe.objectives],
        "observer": recipe.observers,
        "metric": recipe.metrics,
        "eval.rescoring": recipe.rescoring,
    }
    for table, parts in several.items():
        for place, part in enumerate(parts):
            yield f"{table}.{place}", part.options
    for table in SETTINGS:
        yield table, getattr(recipe, table)


def _idle(recipe: Recipe, table: str, model: BaseModel) -> Iterator[str]:
    values: dict[str, Any] = {name: getattr(model, name) for name in type(model).model_fields}
    presets: Mapping[str, Mapping[str, Any]] = getattr(model, "presets", {})
    chosen = presets.get(values.get("preset", ""), {})
    if table == "eval":
        values["rescoring"] = recipe.rescoring
    for name, field in type(model).model_fields.items():
        if values[name] in (_default(field), chosen.get(name, _default(field))):
            continue
        reason = next(filter(None, (_reason(mark, values[name], values) for mark in field.metadata)), "")
        if reason:
            yield f"{table}.{name}: found {_text(values[name])}, which has no effect {reason}, or leave it out"


def _default(field: FieldInfo) -> object:
    return field.get_default(call_default_factory=True)


def _reason(mark: object, value: Any, values: Mapping[str, Any]) -> str:
    """Return `while ... ; set ...` where a mark says that the value has no effect; else ""."""
    if isinstance(mark, WorksIf) and values[mark.option] not in mark.values:
        works = " or ".join(_text(one) for one in mark.values)
        return f"while {mark.option} = {_text(values[mark.option])}; set {mark.option} to {works}"
    if isinstance(mark, IdleIf) and all(values[name] == off for name, off in mark.values):
        names = " or ".join(name for name, _ in mark.values)
        state = " and ".join(
            f"{name} is left out" if off in (None, ()) else f"{name} = {_text(off)}" for name, off in mark.values
        )
        return f"while {state}; set {names}"
    if isinstance(mark, AtMost) and None not in (value, values[mark.option]) and value > values[mark.option]:
        return f"above {mark.option} = {_text(values[mark.option])}; lower it"
    return ""


def _text(value: object) -> str:
    return json.dumps(value, default=str)
