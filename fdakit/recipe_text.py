"""Recipes as text: finding them, reading TOML, `--set`, and writing a resolved recipe back."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from .errors import RecipeError, nearest

Document = dict[str, Any]


def recipe_folder() -> Path:
    """Where the shipped recipes lie: inside an installed package, or beside it in a checkout."""
    installed = Path(__file__).parent / "recipes"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """Name -> file of every shipped recipe; those in folders are named `folder/name`."""
    folder = recipe_folder()
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.toml"))}


def nearest_recipe(name: str) -> str:
    """`did you mean 'x'?` for the closest shipped recipe, else their names, without those of controls."""
    shipped = shipped_recipes()
    close = nearest(name, shipped)
    return close if close.startswith("did") else nearest(name, [one for one in shipped if "/" not in one])


def find_recipe(source: str | Path) -> Path:
    """A file as given, or a shipped recipe by its name. Raises `RecipeError` where there is neither."""
    path = Path(source)
    if path.is_file():
        return path
    if path.is_dir() and (path / "recipe.toml").is_file():
        return path / "recipe.toml"
    shipped = shipped_recipes()
    name = path.with_suffix("").as_posix() if path.suffix == ".toml" else path.as_posix()
    for candidate in (name, name.removeprefix("recipes/")):
        if candidate in shipped:
            return shipped[candidate]
    raise RecipeError(f"{path.absolute()}: no such recipe; give a file, or a shipped recipe: {nearest_recipe(name)}")


def read_document(path: Path) -> Document:
    """The TOML document; raises `RecipeError` where it cannot be read or parsed."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path.absolute()}: not UTF-8 text ({error.reason}); save it as UTF-8") from error
    except OSError as error:
        raise RecipeError(f"{path.absolute()}: cannot be read ({error.strerror}); check the path") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path.absolute()}: not valid TOML: {error}; mend the line it names") from error


def apply_settings(document: Document, settings: Iterable[str]) -> Document:
    """A copy with every `table.key=value` applied.

    A value is TOML, and what does not parse as TOML is a string. A changed `use` drops the table's other
    keys, because they belong to another component, unless they are set too. `table.key=` with nothing behind
    it takes the key out, back to its default. Raises `RecipeError`.
    """
    changed: Document = _copy(document)
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


def _parse(setting: str) -> tuple[list[str], Any]:
    name, equals, text = setting.partition("=")
    keys = [key.strip() for key in name.split(".")]
    if not equals or not all(keys):
        raise RecipeError(f"--set {setting}: found no value; write table.key=value, as in --set mask.threshold=20")
    try:
        return keys, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return keys, text.strip() or None


def _table(document: Document, keys: list[str]) -> Document:
    table: Any = document
    for depth, key in enumerate(keys[:-1]):
        where = ".".join(keys[: depth + 1])
        if isinstance(table, list):
            if not (key.isdigit() and int(key) < len(table)):
                raise RecipeError(f"--set {where}: there are {len(table)} tables here; number them from 0")
            table = table[int(key)]
        else:
            table = table.setdefault(key, {})
        if not isinstance(table, dict | list):
            raise RecipeError(f"--set {'.'.join(keys)}: {where} is the value {table!r}; only tables have keys")
    if isinstance(table, list):
        raise RecipeError(
            f"--set {'.'.join(keys)}: there are {len(table)} such tables; write their number before the key"
        )
    found: Document = table
    return found


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def dump_document(document: Mapping[str, Any], *, comments: Iterable[str] = ()) -> str:
    """TOML text with the comments on top; keys whose value is None are left out, as TOML has no null."""
    head = "".join(f"# {comment}\n" for comment in comments)
    return head + ("\n" if head else "") + tomli_w.dumps(_without_none(document))


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list | tuple) else value
