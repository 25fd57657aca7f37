"""One option with several values: a sweep's recipes, and its curves."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

from fdakit.errors import RecipeError
from fdakit.recipe.document import parse_toml
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import read_all
from fdakit.report.curves import Panel, Point
from fdakit.report.evaluation_report import in_direction
from fdakit.report.mean_std import MeanStd
from fdakit.report.report_tables import DIRECTIONS
from fdakit.report.sweep_tables import SweepRow, SweepSummary

from .run_log import EPOCH, read_log

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
    cells = [(read, value) for read in readers for value in values]
    recipes, places = [], {}
    found = read_all(partial(read, [f"{key}={value}"]) for read, value in cells)
    for recipe, (_, value) in zip(found, cells, strict=True):
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
    epochs = (event for event in read_log(folder) if event.event == EPOCH)
    seconds = [event.seconds for event in epochs if event.seconds is not None]
    return median(seconds) if seconds else None


def grid_panels(summary: SweepSummary, varied: OptionGrid) -> list[Panel]:
    """Return R@1 in both directions and, if recorded, seconds an epoch, over the varied option."""
    rows = [row for row in summary.rows if row.control is None]
    seconds = {row.recipe: row.epoch_seconds for row in rows if row.epoch_seconds is not None}
    panels = [
        Panel(
            f"R@1 {title}, %",
            _series(
                {row.recipe: in_direction(row, way)["R@1"] for row in rows}, varied, _line_protocols(rows, varied)
            ),
        )
        for way, title in DIRECTIONS.items()
    ]
    if len(seconds) == len(rows):
        panels.append(Panel("seconds a training epoch", _series(seconds, varied)))
    return panels


def _line_protocols(rows: Sequence[SweepRow], varied: OptionGrid) -> dict[str, str]:
    """Return the protocol of each recipe's curve, if they differ and each has one for all of its values."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(varied.places[row.recipe][0], set()).add(row.protocol)
    lines = {recipe: next(iter(names)) for recipe, names in found.items() if len(names) == 1}
    return lines if len(set(lines.values())) > 1 else {}


def _series(
    values: Mapping[str, MeanStd], varied: OptionGrid, protocols: Mapping[str, str] = MappingProxyType({})
) -> tuple[tuple[str, tuple[Point, ...]], ...]:
    lines: dict[str, list[Point]] = {}
    for name, spread in values.items():
        recipe, value = varied.places[name]
        lines.setdefault(recipe, []).append(Point(float(value), spread.mean, spread.sd))
    return tuple(
        (": ".join(filter(None, [recipe, protocols.get(recipe)])), tuple(sorted(points, key=lambda p: p.x)))
        for recipe, points in lines.items()
    )
