"""The options of a recipe that have their defaults: what a later version adds to a recipe of before."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from .recipe import Recipe
from .tables import SETTINGS, SINGLE


def default_options(recipe: Recipe) -> frozenset[str]:
    """Return the options `table.key` at their defaults.

    A default leaves results as they were before the option existed, so a recipe without the key means the same.
    """
    return frozenset(_defaults(recipe))


def _defaults(recipe: Recipe) -> Iterator[str]:
    for table, part in recipe.parts.items():
        if f"{part.offer.provider.name}:{part.name}" == SINGLE[table][0]:
            yield f"{table}.use"
        yield from _at_default(table, part.options)
    for number, (part, _) in enumerate(recipe.objectives):
        yield from _at_default(f"objective.{number}", part.options)
    if not recipe.metrics:
        yield "metric"
    for table in SETTINGS:
        yield from _at_default(table, getattr(recipe, table))


def _at_default(table: str, options: BaseModel) -> Iterator[str]:
    for name, field in type(options).model_fields.items():
        if not field.is_required() and getattr(options, name) == field.get_default(call_default_factory=True):
            yield f"{table}.{name}"
