"""Annotation files in the forms people have them: id lists and caption maps. Pickles are read without code."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fdakit.errors import DatasetError

VIDEO_ENDINGS = (".mp4", ".avi", ".webm", ".mkv", ".mov", ".mpg", ".mpeg", ".m4v", ".gif")


_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
    MemoryError,  # a damaged length
)
"""What a damaged JSON or pickle file was seen to raise."""


def read_id_list(path: Path) -> tuple[str, ...]:
    """One id a line, blank lines ignored. Raises `DatasetError` where the file is absent, empty or repeats ids."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DatasetError(f"{path.absolute()}: cannot be read ({error.strerror}); put the id list there") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path.absolute()}: not UTF-8 text; save the id list as UTF-8") from error
    ids = tuple(line.strip() for line in lines if line.strip())
    if not ids:
        raise DatasetError(f"{path.absolute()}: holds no ids; one id a line is wanted")
    twice = sorted({name for name in ids if ids.count(name) > 1})[:3] if len(set(ids)) < len(ids) else []
    if twice:
        raise DatasetError(f"{path.absolute()}: ids appear twice: {', '.join(twice)}; keep one line each")
    return ids


def read_caption_map(path: Path) -> dict[str, tuple[str, ...]]:
    """Video id -> captions from JSON or a pickle of plain values; captions may be strings or lists of words.

    Raises `DatasetError` where the file is absent, holds code, or is not such a map.
    """
    found = _load(path)
    if not isinstance(found, Mapping) or not found:
        raise DatasetError(f"{path.absolute()}: holds {type(found).__name__}; wanted a map from video id to captions")
    return {str(key): _sentences(path, str(key), value) for key, value in found.items()}


def _load(path: Path) -> Any:
    try:
        if path.suffix == ".json":
            return json.loads(path.read_text(encoding="utf-8-sig"))
        with path.open("rb") as file:
            return _PlainUnpickler(file, encoding="utf-8").load()
    except OSError as error:
        raise DatasetError(f"{path.absolute()}: cannot be read ({error.strerror}); put the captions there") from error
    except _DAMAGE as error:
        raise DatasetError(f"{path.absolute()}: not readable as captions ({error}); fetch it again") from error


class _PlainUnpickler(pickle.Unpickler):
    """Builds strings, numbers, lists, tuples and dictionaries; anything that needs an import is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks to run {module}.{name}, and fdakit runs no code from files")


def _sentences(path: Path, key: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple(_sentence(path, key, item) for item in value)
    raise DatasetError(f"{path.absolute()}: {key}: found {value!r}; wanted a list of captions")


def _sentence(path: Path, key: str, item: Any) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, list | tuple) and all(isinstance(word, str) for word in item):
        return " ".join(item)
    raise DatasetError(f"{path.absolute()}: {key}: found {item!r}; wanted a sentence or a list of words")


def find_videos(folder: Path, ids: Iterable[str]) -> dict[str, Path]:
    """Where each id's file lies, whatever its ending; an absent one is expected as `.mp4`.

    Raises `DatasetError` where the folder itself is absent.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder.absolute()}: no such folder; put the videos there")
    by_stem: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in VIDEO_ENDINGS:
            by_stem.setdefault(path.stem, path)
    return {name: by_stem.get(name, folder / f"{name}.mp4") for name in ids}
