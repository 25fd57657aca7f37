"""The systems of an ablation: each recipe on each data set."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from fdakit.catalog import Catalog
from fdakit.errors import RecipeError
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import read_all, read_recipe


@dataclass(frozen=True)
class System:
    """A recipe on one data set, named by both; `data` is "" for the recipe's own."""

    system: str
    data: str
    recipe: Recipe


def read_systems(
    sources: Sequence[str], data: Sequence[str], *, settings: Sequence[str], catalog: Catalog
) -> list[System]:
    """Return every recipe on every data set, on its own without any.

    A data set is "NAME key=value ...": options of the data set, or with a dot of any table. Raises `RecipeError` with
    the faults of all recipes on all data sets.
    """
    if not data:
        recipes = read_all(partial(read_recipe, source, catalog=catalog, settings=settings) for source in sources)
        return [System(recipe.name, "", recipe) for recipe in recipes]
    pairs = [(source, words) for source in sources for words in data]
    return read_all(partial(_on_data, source, words, settings=settings, catalog=catalog) for source, words in pairs)


def _on_data(source: str, words: str, *, settings: Sequence[str], catalog: Catalog) -> System:
    """Return a recipe on a data set. Raises `RecipeError`, which blames what the data set sets on it."""
    own = data_settings(words)
    try:
        recipe = read_recipe(source, catalog=catalog, settings=[*settings, *own])
    except RecipeError as error:
        causes = tuple(f"--set {setting}: " for setting in own)
        faults = [
            f"--data {words}: {fault[len(cause) :]}" if (cause := _first(fault, causes)) else fault
            for fault in error.faults
        ]
        raise RecipeError(faults) from error
    name = f"{recipe.name}-{re.sub(r'[^A-Za-z0-9.+-]+', '_', words)}"
    return System(recipe.name, words, replace(recipe, name=name))


def _first(fault: str, causes: Sequence[str]) -> str:
    return next((cause for cause in causes if fault.startswith(cause)), "")


def data_settings(words: str) -> list[str]:
    """Return the settings `table.key=value` of a data set. Raises `RecipeError` if it is none."""
    try:
        first, *others = shlex.split(words) or [""]
    except ValueError as error:
        raise RecipeError(f"--data {words}: {error}") from error
    if not first:
        raise RecipeError(f"--data {words!r}: names no data set; wanted NAME key=value ..., or leave --data out")
    options = others if "=" not in first else [first, *others]
    if any("=" not in option for option in options):
        raise RecipeError(f"--data {words}: wanted NAME key=value ..., as 'moving-shapes pan=2.0'")
    named = [] if "=" in first else [f"dataset.use={first}"]
    return [*named, *(_dotted(option) for option in options)]


def _dotted(option: str) -> str:
    return option if "." in option.partition("=")[0] else f"dataset.{option}"
