"""Options that a resolved recipe lacks, as an older fdakit did not have them: they mean their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fdakit.catalog import Catalog, load_catalog
from fdakit.errors import PluginError
from fdakit.recipe.tables import LISTS, SETTINGS, SINGLE

_OWN = "fdakit:"


def with_defaults(options: Mapping[str, Any], keys: set[str]) -> dict[str, Any]:
    """Return options by dotted key, with the defaults of those of `keys` that they lack.

    Left out is what has no default, and an option of a part that is not installed.
    """
    absent = sorted(keys - options.keys())
    catalog = load_catalog() if absent else None
    told = {key: _default(key, options, catalog) for key in absent if catalog}
    return {**options, **{key: value for key, value in told.items() if value is not None}}


def _default(key: str, options: Mapping[str, Any], catalog: Catalog) -> Any:
    table, _, name = key.rpartition(".")
    if name == "use":
        used = SINGLE[table][0] if table in SINGLE else None
        return used and used.removeprefix(_OWN)
    return next(
        (_plain(value) for model in _models(table, options, catalog) if (value := _of(model, name)) is not None), None
    )


def _models(table: str, options: Mapping[str, Any], catalog: Catalog) -> list[type[BaseModel]]:
    """Return what declares the options of a table: fdakit's own, and the part that the table uses."""
    if table in SETTINGS:
        return [SETTINGS[table]]
    kind = table.partition(".")[0]
    known: list[type[BaseModel]] = [held[kind][1] for held in (SINGLE, LISTS) if kind in held]
    use = options.get(f"{table}.use") or (SINGLE[table][0] if table in SINGLE else None)
    with suppress(PluginError):
        if known and isinstance(use, str):
            known.append(catalog.find(kind, use).component.options)
    return known


def _of(model: type[BaseModel], name: str) -> Any:
    field = model.model_fields.get(name)
    return None if field is None or field.is_required() else field.get_default(call_default_factory=True)


def _plain(value: Any) -> Any:
    """Return a default as a recipe's file holds it."""
    if isinstance(value, Path):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
