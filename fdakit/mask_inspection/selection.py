"""The selected masks: a recipe's and those named by `"NAME KEY=VALUE ..."`, each with a unique name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fdakit.catalog import Catalog, Part
from fdakit.errors import RecipeError
from fdakit.plugin.contracts import AnyMask
from fdakit.recipe.document import Document, apply_settings, find_recipe, read_document
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import validate

FRAMES, SIZE = 12, 224
_PLAIN: Document = {"name": "masks", "dataset": {"use": "moving-shapes"}, "encoder": {"use": "tiny"}}


@dataclass(frozen=True)
class MaskSelection:
    """The masks by name, and the recipe of reader, sampler and transform; `given` is whether it is the user's.

    If two masks share a name, their names include the options.
    """

    recipe: Recipe
    given: bool
    masks: Mapping[str, Part[AnyMask]]


def choose_masks(
    masks: Sequence[str] = (),
    *,
    compare: Sequence[str] = (),
    recipe: str | None = None,
    frames: int | None = None,
    settings: Iterable[str] = (),
    options: Mapping[str, Any] | None = None,
    catalog: Catalog,
) -> MaskSelection:
    """Return `masks` and `compare` by label, in this order.

    If `masks` is empty, the recipe's own mask is first, else frame-difference; without a recipe `compare` alone is
    enough. `settings`, as for `--set`, and `options`, plain values, change the first of all masks and, in a recipe,
    whatever they name. `frames` replaces the recipe's sampler. Raises `RecipeError` with the faults of all masks.
    """
    path = None if recipe is None else find_recipe(recipe)
    document = _PLAIN if path is None else read_document(path)
    if frames is not None or path is None:
        document = {**document, "sampler": {"use": "fdakit:uniform", "eval_frames": frames or FRAMES}}
    tables = [_table(label) for label in (*masks, *compare)]
    if not masks and (path is not None or not compare):
        tables.insert(0, document.get("mask", {"use": "fdakit:frame-difference"}))
    tables[0] = {**tables[0], **(options or {})}
    first = apply_settings({**document, "mask": tables[0]}, settings)
    documents = [first, *({**first, "mask": table} for table in tables[1:])]
    where = "masks" if path is None else str(path)
    recipes = _validated(documents, where=where, catalog=catalog)
    return MaskSelection(recipes[0], path is not None, _named([one.parts["mask"] for one in recipes]))


def _validated(documents: Sequence[Document], *, where: str, catalog: Catalog) -> list[Recipe]:
    recipes: list[Recipe] = []
    faults: list[str] = []
    for document in documents:
        try:
            recipes.append(validate(document, where=where, catalog=catalog))
        except RecipeError as error:
            faults += error.faults
    if faults:
        raise RecipeError(dict.fromkeys(faults))  # faults of the shared tables occur in each document
    return recipes


def _table(label: str) -> Document:
    """Return `NAME KEY=VALUE ...` as the table of a recipe."""
    name, *settings = label.split() or [""]
    table: Document = apply_settings({"mask": {"use": name}}, [f"mask.{setting}" for setting in settings])["mask"]
    return table


def _named(parts: Sequence[Part[AnyMask]]) -> dict[str, Part[AnyMask]]:
    """Return each mask once, by its shortest unique name: name, with options, with provider."""
    distinct: list[Part[AnyMask]] = []
    for part in parts:
        if part not in distinct:
            distinct.append(part)
    tiers = [
        [part.name for part in distinct],
        [f"{part.name} {format_options(part)}".strip() for part in distinct],
        [f"{part.offer.provider.name}:{part.name} {format_options(part)}".strip() for part in distinct],
    ]
    return {
        next((names[place] for names in tiers if names.count(names[place]) == 1), tiers[-1][place]): part
        for place, part in enumerate(distinct)
    }


def format_options(part: Part[AnyMask]) -> str:
    """Return the options that differ from the defaults, as `key=value key=value`."""
    fields = type(part.options).model_fields
    changed = {key: getattr(part.options, key) for key in fields if getattr(part.options, key) != fields[key].default}
    return " ".join(f"{key}={value}" for key, value in changed.items())
