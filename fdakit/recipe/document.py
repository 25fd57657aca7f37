"""Recipes as text: finding them, reading TOML, `--set`, and writing a resolved recipe back."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import tomli_w

from fdakit.errors import RecipeError, nearest
from fdakit.system.regular_files import full, read_text, unreadable

_LONGEST = 1 << 16  # bytes of a recipe
_DOTS = 1000  # in a line: the parser's time and memory grow with the square of a dotted key

Document = dict[str, Any]


def recipe_folder() -> Path:
    """Return where the shipped recipes lie: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """Name -> file of every shipped recipe; those in folders are named `folder/name`."""
    folder = recipe_folder()
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.toml"))}


def nearest_recipe(name: str) -> str:
    """Return `did you mean 'x'?` for the closest shipped recipe, else the names of all, those of controls last."""
    shipped = shipped_recipes()
    close = nearest(name, shipped)
    if close.startswith("did"):
        return close
    return f"known: {', '.join(sorted(shipped, key=lambda one: ('/' in one, one)))}"


def find_recipe(source: str | Path) -> Path:
    """Return a file as given, or a shipped recipe by its name. Raises `RecipeError` if there is neither."""
    path = Path(source)
    try:
        if path.is_file():
            return path
        if path.is_dir() and (path / "recipe.toml").is_file():
            return path / "recipe.toml"
    except OSError as error:
        raise unreadable(path, error, error=RecipeError, advice="check the path") from error
    shipped = shipped_recipes()
    name = path.with_suffix("").as_posix() if path.suffix == ".toml" else path.as_posix()
    for candidate in (name, name.removeprefix("recipes/")):
        if candidate in shipped:
            return shipped[candidate]
    raise RecipeError(f"{full(path)}: no such recipe; give a file, or a shipped recipe: {nearest_recipe(name)}")


def read_document(path: Path) -> Document:
    """Return the TOML document; raises `RecipeError` where it cannot be read or parsed."""
    text = read_text(path, limit=_LONGEST, error=RecipeError, advice="check the path", what="recipe")
    try:
        return parse_toml(text)
    except ValueError as error:
        raise RecipeError(f"{path.absolute()}: not valid TOML: {error}; mend the line it names") from error


def parse_toml(text: str) -> Document:
    """Return what TOML text holds.

    Raises `ValueError` if it is none, is nested too deep, or holds a number beyond 64 bits or a NUL character,
    which no path can have.
    """
    crowded = next((number for number, line in enumerate(text.split("\n"), 1) if line.count(".") > _DOTS), 0)
    if crowded:
        raise ValueError(f"more than {_DOTS:,} dots (at line {crowded})")
    try:
        document = tomllib.loads(text)
        _refuse_odd(document)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:
        said = "a number of thousands of digits" if "integer string" in str(error) else str(error)
        raise ValueError(said) from error
    return document


def _refuse_odd(value: Any, *, key: str = "") -> None:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in items:
            _refuse_odd(item, key=f"{key}.{name}" if key else str(name))
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"{key}: a whole number beyond 64 bits")
    elif isinstance(value, str) and "\0" in value:
        raise ValueError(f"{key}: holds a NUL character")


def apply_settings(document: Document, settings: Iterable[str]) -> Document:
    """Return a copy with every `table.key=value` applied.

    A value is TOML, and what does not parse as TOML is a string. A changed `use` drops the table's other
    keys, because they belong to another component, unless they are set too. `table.key=` with nothing behind
    it takes the key out, back to its default. Tables of a list are numbered, as `objective.0.weight`; a `use` for
    the number after the last adds one. Raises `RecipeError`.
    """
    changed = deepcopy(document)
    pairs = sorted((_parse(setting) for setting in settings), key=lambda pair: pair[0][-1] != "use")
    for keys, value in pairs:
        table = _table(changed, keys)
        if keys[-1] == "use" and table.get("use", value) != value:
            table.clear()
        if value is None:
            table.pop(keys[-1], None)
        else:
            table[keys[-1]] = value
    return changed


def setting_causes(document: Document, settings: Iterable[str]) -> dict[str, str]:
    """Dotted keys that settings account for -> `--set KEY=VALUE`: their own, and tables that they make or change."""
    causes: dict[str, str] = {}
    for setting in settings:
        keys, text = _parse(setting)[0], f"--set {setting}"
        table: Any = document
        for depth, key in enumerate(keys):
            if isinstance(table, list):
                table = table[int(key)] if key.isdigit() and int(key) < len(table) else None
            else:
                table = table.get(key) if isinstance(table, dict) else None
            if table is None:
                causes[".".join(keys[: depth + 1])] = text
        causes[".".join(keys)] = text
        if keys[-1] == "use":
            causes[".".join(keys[:-1])] = text  # what else the table held is gone
    return causes


def cause_of(key: str, causes: Mapping[str, str]) -> str:
    """Return the setting that accounts for a dotted key, or for a table around it; "" where none does."""
    steps = key.split(".")
    above = (".".join(steps[:depth]) for depth in range(len(steps), 0, -1))
    return next((causes[name] for name in above if name in causes), "")


def _parse(setting: str) -> tuple[list[str], Any]:
    name, equals, text = setting.partition("=")
    keys = [key.strip() for key in name.split(".")]
    if not equals or not all(keys):
        raise RecipeError(f"--set {setting}: found no value; write table.key=value, as in --set mask.threshold=20")
    try:
        return keys, parse_toml(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return keys, text.strip() or None
    except ValueError as error:
        raise RecipeError(f"--set {name}: {error}; write another value") from error


def _table(document: Document, keys: list[str]) -> Document:
    table: Any = document
    for depth, key in enumerate(keys[:-1]):
        where = ".".join(keys[: depth + 1])
        if isinstance(table, list):
            if [key, "use"] == [str(len(table)), *keys[depth + 1 :]]:
                table.append({})
            if not (key.isdigit() and int(key) < len(table)):
                raise RecipeError(f"--set {'.'.join(keys)}: {_numbered(keys, depth, len(table))}")
            table = table[int(key)]
        else:
            table = table.setdefault(key, [] if keys[depth + 1].isdigit() else {})
        if not isinstance(table, dict | list):
            raise RecipeError(f"--set {'.'.join(keys)}: {where} is the value {table!r}; only tables have keys")
    if isinstance(table, list):
        raise RecipeError(f"--set {'.'.join(keys)}: {_numbered(keys, len(keys) - 1, len(table))}")
    found: Document = table
    return found


def _numbered(keys: list[str], depth: int, count: int) -> str:
    """Return what to write where the key at `depth` should have been the number of one of `count` tables."""
    name, rest = ".".join(keys[:depth]), keys[depth + 1 :] if keys[depth].isdigit() else keys[depth:]
    numbers = f"numbered 0 to {count - 1}" if count > 1 else "numbered 0" if count else "empty so far"
    one = f"{name}.0.{'.'.join(rest or ['use'])}, " if count else ""
    more = f"{name}.{count}.use=NAME to add one"
    return f"[[{name}]] is a list, {numbers}; write {one}{more}, or all of it as '{name}=[{{use=\"NAME\"}}]'"


def dump_document(document: Mapping[str, Any], *, comments: Iterable[str] = ()) -> str:
    """TOML text with the comments on top; keys whose value is None are left out, as TOML has no null."""
    head = "".join(f"# {comment}\n" for comment in comments)
    return head + ("\n" if head else "") + tomli_w.dumps(_without_none(document))


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list | tuple) else value
