"""Locations of the files of a saved recipe: what to set if they were moved, or were relative to another folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fdakit.errors import CheckpointError, DatasetError, FdakitError, RecipeError, VideoError
from fdakit.inference.run_files import CHECKPOINTS
from fdakit.recipe.document import read_document
from fdakit.recipe.paths import path_fields
from fdakit.recipe.recipe import Recipe

_OF_PLACES = (DatasetError, CheckpointError, VideoError)


@contextmanager
def moved_file_hints(recipe: Recipe) -> Iterator[None]:
    """Add to errors about data or weights which options of the recipe name their locations.

    Re-raises the error, with one more line if a path of the recipe or videos are absent.
    """
    try:
        yield
    except FdakitError as error:
        told = _places(recipe, str(error)) if type(error) in (FdakitError, *_OF_PLACES) else ""
        if not told:
            raise
        raise type(error)(f"{error}\n{told}") from error


def _places(recipe: Recipe, said: str) -> str:
    """Return one line on the paths that the error is about; "" if all exist."""
    paths = {
        f"{table}.{key}": path for table, part in recipe.parts.items() for key, path in path_fields(part.options)
    }
    absent = [key for key, path in paths.items() if path is not None and str(path) in said and not path.exists()]
    if not absent and ("absent" not in said or CHECKPOINTS in said):
        return ""
    tables = {key.partition(".")[0] for key in absent} or {"dataset"}
    asked = {key: path for key, path in paths.items() if key.partition(".")[0] in tables}
    if not asked:
        return ""
    # If all paths exist, videos are missing: an existing folder, not a table, names their location.
    places = (key for key, path in asked.items() if path is None or not path.is_file())
    chosen = absent[0] if absent else next(places, next(iter(asked)))
    shown = ", ".join(f"{key} = {_spoken(path)}" for key, path in asked.items())
    relative = _relative(recipe, absent)
    return f"where they lie is said by {shown}; if they were moved, name the new place: --set {chosen}=PATH" + (
        f"\n{relative}" if relative else ""
    )


def _spoken(path: Path | None) -> str:
    return "(left out)" if path is None else f"{str(path)!r}{'' if path.exists() else ' (absent)'}"


def _relative(recipe: Recipe, keys: list[str]) -> str:
    """Return a hint for a recipe that an older fdakit stored with relative paths."""
    try:
        document = read_document(Path(recipe.where))
    except RecipeError:
        return ""
    for key in keys:
        table, _, option = key.partition(".")
        value = document.get(table, {}).get(option) if isinstance(document.get(table), dict) else None
        if isinstance(value, str) and not Path(value).is_absolute():
            return (
                f"{Path(recipe.where).absolute()} says {value!r}, relative to where the run was started; "
                "do this again from there, or set the path"
            )
    return ""
