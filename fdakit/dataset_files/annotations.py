"""Annotation files in common formats: id lists, caption maps, JSON. Pickles are read without running code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from reprlib import Repr
from typing import Any

from fdakit.errors import DatasetError
from fdakit.system.regular_files import LARGEST_TEXT, read_bytes, read_json as read_any_json, read_text

from .plain_pickles import PlainPickleError, read_plain_pickle

_SWELLING = 100  # multiple of the file's bytes that captions may take: a pickle may refer to one list a million times
_SMALL = 1 << 20  # characters that are always allowed


def read_id_list(path: Path) -> tuple[str, ...]:
    """Return one id a line, blank lines ignored.

    Raises `DatasetError` if the file is absent, empty or repeats ids.
    """
    lines = read_name_lines(path, advice="put the id list there", what="id list")
    ids = tuple(line.strip() for line in lines if line.strip())
    if not ids:
        raise DatasetError(f"{path.absolute()}: holds no ids; one id a line is wanted")
    twice = sorted(name for name, count in Counter(ids).items() if count > 1)[:3]
    if twice:
        raise DatasetError(f"{path.absolute()}: ids appear twice: {', '.join(twice)}; keep one line each")
    return ids


def read_name_lines(path: Path, *, advice: str, what: str) -> list[str]:
    """Return the lines of a list of names; bytes that are not UTF-8 are preserved as by `os.fsdecode`.

    Raises `DatasetError` if it cannot be read, or is not a list of names, such as UTF-16.
    """
    text = read_text(path, error=DatasetError, advice=advice, what=what, names=True)
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")  # names may contain other line separators


def read_json(path: Path, what: str) -> Any:
    """Return the content of a JSON file; `what` describes it in errors ("captions").

    Raises `DatasetError` if the file is absent or damaged, and if an object has a key twice: of two caption lists of
    a video, the first would be lost silently.
    """
    return read_any_json(
        path, error=DatasetError, advice=f"put the {what} there, or fetch it again", what=what, pairs_hook=_once
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"{twice!r} is twice in one object")
    return made


def read_caption_map(path: Path) -> dict[str, tuple[str, ...]]:
    """Return video id -> captions from JSON or a pickle of plain values; captions are strings or word lists.

    Raises `DatasetError` if the file is absent, contains code, or is not such a map.
    """
    found = _load(path)
    if not isinstance(found, Mapping) or not found:
        raise DatasetError(f"{path.absolute()}: holds {type(found).__name__}; wanted a map from video id to captions")
    room = max(_SMALL, _SWELLING * path.stat().st_size)
    captions = {}
    for key, value in found.items():
        if not isinstance(key, str | int):
            raise DatasetError(f"{path.absolute()}: found the key {_shown_value(key)}; wanted video ids")
        sentences = []
        for sentence in _sentences(path, str(key), value):
            sentences.append(sentence)
            room -= len(sentence) + 1
            if room < 0:
                raise DatasetError(
                    f"{path.absolute()}: its captions take more than {_SWELLING} times the file; fetch it again"
                )
        captions[str(key)] = tuple(sentences)
    return captions


def require_captions(
    captions: Mapping[str, Sequence[str]], ids: Sequence[str], *, split: str, path: Path, remedy: str
) -> None:
    """Raise `DatasetError` with their number if videos of `ids` have none of the `captions` of file `path`.

    If none has any, ids of the file are shown: they may be written in another form.
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
    content = read_bytes(path, limit=LARGEST_TEXT, error=DatasetError, advice="put the captions there")
    try:
        return read_plain_pickle(content)
    except PlainPickleError as error:
        raise DatasetError(f"{path.absolute()}: not readable as captions ({error}); fetch it again") from error


def _sentences(path: Path, key: str, value: Any) -> Iterator[str]:
    if not isinstance(value, list | tuple):
        raise DatasetError(f"{path.absolute()}: {key}: found {_shown_value(value)}; wanted a list of captions")
    for item in value:
        yield _sentence(path, key, item)


def _sentence(path: Path, key: str, item: Any) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, list | tuple) and all(isinstance(word, str) for word in item):
        return " ".join(item)
    raise DatasetError(f"{path.absolute()}: {key}: found {_shown_value(item)}; wanted a sentence or a list of words")


def _shown_value(value: Any) -> str:
    """Return the start of a value, for an error: values that contain each other print endlessly."""
    brief = Repr()
    brief.maxlevel, brief.maxlist, brief.maxtuple, brief.maxdict, brief.maxstring = 2, 3, 3, 3, 60
    return brief.repr(value)
