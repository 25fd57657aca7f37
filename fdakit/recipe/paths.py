"""Paths in options: kept so that they lead to the same place from every working directory, and named where absent."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel

from fdakit.plugin.component import MayBePath

M = TypeVar("M", bound=BaseModel)


def anchor_paths(options: M) -> M:
    """Return the options with every path absolute, nested ones too; relative paths start at the working directory.

    A path is any `pathlib.Path`, and text that is marked with `MayBePath` and names something that is there.
    """
    changed = {}
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        marks = [mark for mark in field.metadata if isinstance(mark, MayBePath)]
        found = _anchored_text(value, marks[0]) if marks and isinstance(value, str) else _anchored(value)
        if found is not value:
            changed[name] = found
    return options.model_copy(update=changed) if changed else options


def absolute_path(path: Path) -> Path:
    """Return the absolute path; where it has `..` in it, what that means now, whatever links change later."""
    return path.resolve() if ".." in path.parts and not path.is_absolute() else path.absolute()


def _anchored_text(value: str, mark: MayBePath) -> str:
    text = value.removeprefix(mark.prefix)
    if not value.startswith(mark.prefix) or not text:
        return value
    path = Path(text).expanduser() if mark.prefix else Path(text)
    named = path.is_absolute() or not (mark.prefix or path.is_file())
    return value if named else f"{mark.prefix}{absolute_path(path)}"


def _anchored(value: Any) -> Any:
    """Return the value with the paths in it absolute, or itself where none changes."""
    if isinstance(value, Path):
        return value if value.is_absolute() else absolute_path(value)
    if isinstance(value, BaseModel):
        return anchor_paths(value)
    if isinstance(value, Mapping):
        pairs = {key: _anchored(item) for key, item in value.items()}
        return pairs if any(pairs[key] is not value[key] for key in pairs) else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        items = {name: _anchored(item) for name, item in fields.items()}
        return dataclasses.replace(value, **items) if any(items[n] is not fields[n] for n in items) else value
    if isinstance(value, tuple | list | set | frozenset):
        several = [_anchored(item) for item in value]
        if all(one is other for one, other in zip(several, value, strict=True)):
            return value
        return type(value)(*several) if hasattr(value, "_fields") else type(value)(several)
    return value


def path_fields(options: BaseModel) -> Iterator[tuple[str, Path | None]]:
    """Yield name and value of every option that is a path or may be one; None if it is left out."""
    for name, field in type(options).model_fields.items():
        if _holds_path(field.annotation):
            value = getattr(options, name)
            yield name, value if isinstance(value, Path) else None


def _holds_path(annotation: Any) -> bool:
    is_path = isinstance(annotation, type) and issubclass(annotation, Path)
    return is_path or any(map(_holds_path, get_args(annotation)))
