"""The faults of a recipe in words: what was found, what is wanted, and how to write it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

from fdakit.errors import nearest

_ARRAYS = ("tuple_type", "list_type")
_TABLES = ("dict_type", "mapping_type", "model_type")
_NOTHING = ("none", "null", "nil", "")


def fault_words(fault: Mapping[str, Any], key: str, *, owner: str, known: Iterable[str], length: int = 0) -> str:
    """Word one fault of pydantic as *what was found; what is wanted*; `key` is where it stands, as `view.mean`.

    `length` is how many values its option takes; 0: one, or any number.
    """
    kind, found = fault["type"], fault["input"]
    if length and kind in (*_ARRAYS, "missing", "too_long"):
        return f"found {found!r}; {owner} wants {length} values; write '{key}={as_array(found, length)}'"
    if kind == "extra_forbidden":
        return f"unknown option of {owner}; {nearest(str(fault['loc'][-1]), known)}"
    if kind == "missing":
        return f"missing; {owner} needs it and has no default"
    if kind == "value_error":
        return f"found {found!r}; {fault['ctx']['error']!s}"
    wanted = str(fault["msg"]).removeprefix("Input should be ")
    wanted = {"a valid array": "an array", "an object": "a table"}.get(wanted, wanted)
    return f"found {found!r}; {owner} wants {wanted}{_way_to_write(kind, key, found)}"


def _way_to_write(kind: str, key: str, found: Any) -> str:
    if kind in _ARRAYS:
        return f"; write '{key}={as_array(found)}'"
    if kind in _TABLES:
        return f"; write {key}.KEY=VALUE"
    if isinstance(found, str) and found.lower() in _NOTHING:
        return f"; for the default write {key}= with nothing behind"
    if kind.startswith("bool") and str(found).lower() in ("true", "yes", "on", "false", "no", "off"):
        return f"; write {key}={'true' if str(found).lower() in ('true', 'yes', 'on') else 'false'}"
    return ""


def text_fault(value: object) -> str:
    """Return what is odd about a text that no recipe can hold; "" for any other value."""
    if isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):
        found = f"found {value!r}, which is not UTF-8, as recipes are"
        return f"{found}; rename it, or reach it through a link with another name"
    return ""


def as_array(found: object, length: int = 0) -> str:
    """Return a value that was given in place of an array, as a TOML array: `0.5, 0.5` -> `[0.5,0.5]`.

    With a `length` it has so many values, the last one repeated: `0.5` -> `[0.5,0.5]`.
    """
    pieces = [piece.strip().strip("'\"") for piece in str(found).strip().strip("[]()").split(",")]
    words = [piece if _is_number(piece) else json.dumps(piece) for piece in pieces if piece]
    if length and words:
        words = [*words, *words[-1:] * length][:length]
    return "[" + ",".join(words) + "]"


def fixed_length(annotation: object) -> int:
    """Return how many values a tuple of fixed length takes, also one that may be left out; 0 for any other type."""
    inner = get_args(annotation)
    if get_origin(annotation) is tuple:
        return 0 if Ellipsis in inner else len(inner)
    return next(filter(None, map(fixed_length, inner)), 0)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip("+-").lower() not in ("nan", "inf", "infinity")


def no_table(key: str, value: object, *, chosen: bool, several: bool) -> str:
    """Say what to write where a table should stand: one that names a part if `chosen`, a list if `several`."""
    wanted = f"a list of tables, as [[{key}]]" if several else f"a table, as [{key}]"
    number = ".0" if several else ""
    if isinstance(value, Mapping):
        first = next(iter(value), "KEY")
        return f"found one table; wanted {wanted}; write {key}{number}.{first}=VALUE"
    if not chosen:
        return f"found {value!r}; wanted {wanted}; write {key}.KEY=VALUE"
    use = value if isinstance(value, str) and value else "NAME"
    return f"found {value!r}; wanted {wanted}; write {key}{number}.use={use}"
