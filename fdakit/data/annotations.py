"""Annotation files in the forms people have them: id lists, caption maps, JSON. Pickles are read without code."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fdakit.errors import DatasetError

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
"""What a damaged pickle file was seen to raise."""


def read_id_list(path: Path) -> tuple[str, ...]:
    """One id a line, blank lines ignored. Raises `DatasetError` where the file is absent, empty or repeats ids."""
    try:
        lines = read_name_lines(path)
    except OSError as error:
        raise DatasetError(f"{path.absolute()}: cannot be read ({error.strerror}); put the id list there") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path.absolute()}: not UTF-8 text; save the id list as UTF-8") from error
    ids = tuple(line.strip() for line in lines if line.strip())
    if not ids:
        raise DatasetError(f"{path.absolute()}: holds no ids; one id a line is wanted")
    twice = sorted(name for name, count in Counter(ids).items() if count > 1)[:3]
    if twice:
        raise DatasetError(f"{path.absolute()}: ids appear twice: {', '.join(twice)}; keep one line each")
    return ids


def read_name_lines(path: Path) -> list[str]:
    """The lines of a list of names; bytes that are not UTF-8 are kept as `os.fsdecode` keeps them.

    Raises `OSError` as it comes, and `UnicodeDecodeError` where the file is no list of names, as UTF-16 is none.
    """
    content = path.read_bytes()
    text = content.decode("utf-8-sig", "strict" if b"\0" in content else "surrogateescape")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")  # names may hold what else ends a line


def read_json(path: Path, what: str) -> Any:
    """What a JSON file holds; `what` it is to hold, in words, stands in errors ("captions").

    Raises `DatasetError` where the file is absent or damaged, and where one object has a key twice: of two caption
    lists of a video, the first would be lost in silence.
    """
    path = path.absolute()
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_once)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); put the {what} there") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not UTF-8; save the {what} as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: not readable as {what} ({error}); fetch it again") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"{twice!r} stands twice in one object")
    return made


def read_caption_map(path: Path) -> dict[str, tuple[str, ...]]:
    """Video id -> captions from JSON or a pickle of plain values; captions may be strings or lists of words.

    Raises `DatasetError` where the file is absent, holds code, or is not such a map.
    """
    found = _load(path)
    if not isinstance(found, Mapping) or not found:
        raise DatasetError(f"{path.absolute()}: holds {type(found).__name__}; wanted a map from video id to captions")
    return {str(key): _sentences(path, str(key), value) for key, value in found.items()}


def need_captions(
    captions: Mapping[str, Sequence[str]], ids: Sequence[str], *, split: str, path: Path, remedy: str
) -> None:
    """Raises `DatasetError` with their number where videos of `ids` have none of the `captions` of file `path`.

    Where none has any, the ids of the file are shown: they may be written in another form.
    """
    without = [name for name in ids if not captions.get(name)]
    if without:
        others = f", only for others ({_shown(list(captions))})" if captions and len(without) == len(ids) else ""
        raise DatasetError(
            f"{path.absolute()}: no captions for {len(without):,} of {len(ids):,} {split} videos ({_shown(without)})"
            f"{others}; {remedy}"
        )


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if names[3:] else "")


def _load(path: Path) -> Any:
    if path.suffix.lower() == ".json":
        return read_json(path, "captions")
    try:
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
