"""Parts named on the command line: `"NAME KEY=VALUE ..."`."""

from __future__ import annotations

from typing import Any

from fdakit.catalog import Catalog, Part
from fdakit.errors import RecipeError

from .document import apply_settings
from .validation import validate_part


def labelled_part(kind: str, label: str, *, option: str, catalog: Catalog) -> Part[Any]:
    """Return the part of a kind that a label names. Raises `RecipeError` with all faults, blamed on the option."""
    where = f"{option} {label!r}"
    name, *settings = label.split() or [""]
    if bare := [one for one in settings if "=" not in one]:
        raise RecipeError(f"{where}: found no value for {bare[0]!r}; write NAME KEY=VALUE ...")
    table = apply_settings({kind: {"use": name}}, [f"{kind}.{one}" for one in settings])[kind]
    return validate_part(kind, table, where=where, catalog=catalog)
