"""The JSON schema of recipes, for editors: every table, every part, every option."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from fdakit.catalog import Catalog, Offer

from .tables import LISTS, SETTINGS, SINGLE, NoKeys

Schema = dict[str, Any]


def recipe_schema(catalog: Catalog) -> Schema:
    """JSON schema (draft 2020-12) of a recipe, with the parts that are installed here."""
    tables: Schema = {"name": {"type": "string"}, "seed": {"type": "integer"}}
    for table, (_, keys) in SINGLE.items():
        tables[table] = _choice(catalog, table, keys)
    for table, (_, keys) in LISTS.items():
        tables[table] = {"type": "array", "items": _choice(catalog, table, keys)}
    for table, model in SETTINGS.items():
        tables[table] = _closed(model)
    tables["eval"]["properties"]["rescoring"] = {"type": "array", "items": _choice(catalog, "rescorer", NoKeys)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fdakit recipe",
        "type": "object",
        "properties": tables,
        "required": [table for table, (default, _) in SINGLE.items() if default is None],
        "additionalProperties": False,
    }


def _choice(catalog: Catalog, kind: str, keys: type[BaseModel]) -> Schema:
    ambiguous = set(catalog.ambiguous())
    parts = [_part(offer, keys, (kind, offer.component.name) in ambiguous) for offer in catalog.of_kind(kind)]
    return {"oneOf": parts} if parts else {"not": {}}  # an empty oneOf is no valid schema


def _part(offer: Offer, keys: type[BaseModel], ambiguous: bool) -> Schema:
    schema = _closed(offer.component.options)
    full = f"{offer.provider.name}:{offer.component.name}"
    names = [full] if ambiguous else [offer.component.name, full]
    own = _closed(keys)["properties"]
    schema["properties"] = {"use": {"enum": names}, **schema["properties"], **own}
    schema["required"] = ["use", *schema.get("required", [])]
    schema["description"] = f"{offer.component.summary} ({offer.provider})"
    return schema


def _closed(model: type[BaseModel]) -> Schema:
    schema = model.model_json_schema()
    schema.setdefault("properties", {})
    inlined: Schema = _inlined(schema, schema.pop("$defs", {}))  # `#/$defs` would mean those of the whole recipe
    return inlined


def _inlined(value: Any, definitions: Schema) -> Any:
    if isinstance(value, list):
        return [_inlined(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _inlined(item, definitions) for key, item in value.items() if key != "$ref"}
    if "$ref" in value:
        found = {**_inlined(definitions[value["$ref"].rpartition("/")[2]], definitions), **found}
    return found
