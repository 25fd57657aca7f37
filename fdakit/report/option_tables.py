"""Options of a part as text: type, range, default and help, from the declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

_TYPES = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text", "null": ""}
_BOUNDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "multiple of {}",
}


@dataclass(frozen=True)
class OptionRow:
    """One option, as text."""

    name: str
    type: str
    default: str
    help: str


def option_rows(model: type[BaseModel]) -> list[OptionRow]:
    """Return the options of a model, its own before shared ones; the default `required` means there is none."""
    schema = model.model_json_schema()
    required = schema.get("required", [])
    fields = schema.get("properties", {})
    own = [name for name in model.__annotations__ if name in fields]
    return [
        OptionRow(
            name=name,
            type=_words(field, schema.get("$defs", {})),
            default="required" if name in required else _default(field.get("default")),
            help=field.get("description", ""),
        )
        for name, field in ((name, fields[name]) for name in dict.fromkeys([*own, *fields]))
    ]


def preset_rows(model: type[BaseModel]) -> list[tuple[str, str]]:
    """Return the presets of a model: name, and what it sets instead of the defaults, as in TOML."""
    presets: Mapping[str, Mapping[str, Any]] = getattr(model, "presets", {})
    return [
        (name, ", ".join(f"{key} = {_default(value)}" for key, value in sets.items()) or "the defaults")
        for name, sets in presets.items()
    ]


def _default(value: Any) -> str:
    if value is None:
        return "left out"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _words(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return _words(definitions[field["$ref"].rsplit("/", 1)[-1]], definitions)
    if "anyOf" in field:
        return " or ".join(text for text in (_words(option, definitions) for option in field["anyOf"]) if text)
    if "enum" in field:
        return " | ".join(str(value) for value in field["enum"])
    if "const" in field:
        return str(field["const"])
    if field.get("type") == "array":
        items = field.get("prefixItems") or [field.get("items", {})]
        many = f"{len(field['prefixItems'])} of" if "prefixItems" in field else "list of"
        return f"{many} {_words(items[0], definitions)}"
    if field.get("type") == "object" and field.get("properties"):
        named = field["properties"]
        return f"table of {_words(next(iter(named.values())), definitions)} by {' | '.join(named)}"
    if field.get("format") == "path":
        return "path"
    bounds = [text.format(field[key]) for key, text in _BOUNDS.items() if key in field]
    return " ".join([_TYPES.get(str(field.get("type")), str(field.get("type", "anything"))), *bounds])
