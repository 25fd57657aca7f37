"""One option with several values: a sweep's recipes, and its curves."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from fdakit.errors import RecipeError
from fdakit.recipe.document import parse_toml
from fdakit.recipe.recipe import Recipe
from fdakit.report.curves import Panel, Point

from .run_log import read_log

ReadRecipe = Callable[[list[str]], Recipe]


@dataclass(frozen=True)
class OptionGrid:
    """An option `table.key` and its values; `places` maps each recipe name to its (recipe, value)."""

    key: str
    values: tuple[Any, ...]
    places: Mapping[str, tuple[str, Any]]

    @property
    def numeric(self) -> bool:
        """Whether every value is a number, so that curves can be drawn."""
        return all(
            isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 for value in self.values
        )


def expand_grid(text: str, readers: Sequence[ReadRecipe]) -> tuple[list[Recipe], OptionGrid]:
    """Return every recipe with every value of `table.key=v1,v2,...`, with the value in its name.

    A reader makes its recipe with settings added. Raises `RecipeError` if the text or a recipe is invalid.
    """
    key, equals, listed = text.partition("=")
    values = _values(listed)
    if not equals or "." not in key or not values:
        raise RecipeError(f"--vary {text}: wanted table.key=value,value, as fusion.keep_share=0.1,0.3,1.0")
    recipes, places = [], {}
    for read in readers:
        for value in values:
            recipe = read([f"{key}={value}"])
            name = f"{recipe.name}-{key.rpartition('.')[2]}-{re.sub(r'[^A-Za-z0-9.+-]+', '_', str(value))}"
            places[name] = (recipe.name, value)
            recipes.append(replace(recipe, name=name))
    return recipes, OptionGrid(key, tuple(values), places)


def _values(listed: str) -> list[Any]:
    try:
        found: list[Any] = parse_toml(f"values = [{listed}]")["values"]
    except ValueError:
        found = [word.strip() for word in listed.split(",") if word.strip()]
    return [value for place, value in enumerate(found) if value not in found[:place]]


def epoch_seconds(folder: Path) -> float | None:
    """Return the median seconds of a run's training epochs, from its metrics.jsonl; None if there are none.

    Raises `ScoreError` if it is damaged.
    """
    seconds = [float(event["seconds"]) for event in read_log(folder) if event["event"] == "epoch_finished"]
    return median(seconds) if seconds else None


def grid_panels(summary: Mapping[str, Any], varied: OptionGrid) -> list[Panel]:
    """Return R@1 text to video and, if recorded, seconds an epoch, over the varied option."""
    rows = [row for row in summary["rows"] if row["control"] is None]
    panels = [Panel("R@1 text to video, %", _series(rows, varied, lambda row: row["t2v"]["R@1"]))]
    if all("epoch_seconds" in row for row in rows):
        panels.append(Panel("seconds a training epoch", _series(rows, varied, lambda row: row["epoch_seconds"])))
    return panels


def _series(
    rows: Sequence[Mapping[str, Any]],
    varied: OptionGrid,
    value_of: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> tuple[tuple[str, tuple[Point, ...]], ...]:
    lines: dict[str, list[Point]] = {}
    for row in rows:
        recipe, value = varied.places[row["recipe"]]
        spread = value_of(row)
        lines.setdefault(recipe, []).append(Point(float(value), spread["mean"], spread["sd"]))
    return tuple((recipe, tuple(sorted(points, key=lambda p: p.x))) for recipe, points in lines.items())
