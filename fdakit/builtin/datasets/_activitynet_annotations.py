"""ActivityNet's files: their names, and the formats of its sentences and ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from fdakit.dataset_files import name_ids, parse_windows, read_id_list, read_json
from fdakit.plugin import DatasetError, SourceFile

_CAPTIONS = "captions.zip of cs.stanford.edu/people/ranjaykrishna/densevid"
_LISTS = "the same captions.zip, or github.com/albanie/collaborative-experts, misc/datasets/activity-net"

ANNOTATIONS = {
    "train": SourceFile(
        "train.json",
        "the sentences of the train videos",
        _CAPTIONS,
        others=("anet_ret_train.json",),
        sha256=("704536b2779011c1a729c927ae30e39ea9c90c38557836bbe969499917243d69",),
        splits=("train", "val"),
    ),
    "test": SourceFile(
        "val_1.json",
        "the sentences of val_1, on which the field reports",
        _CAPTIONS,
        others=("anet_ret_val_1.json",),
        sha256=("466aaccb9ebe45c6db4c98488a4ddbeb5b22faffe62e1bbce81222c14fc29e1c",),
        splits=("test",),
    ),
    "val_2": SourceFile(
        "val_2.json", "other sentences on videos of val_1", _CAPTIONS, optional=True, splits=("val_2",)
    ),
}
LISTS = {
    "train": SourceFile(
        "train_ids.json",
        "the ids of the train videos",
        _LISTS,
        others=("train_list.txt",),
        sha256=(
            "7ef2f714c2ab399adbb3785a42f4938e37b9674321860ba665a0ca0dfee08d2d",
            "ea6d2bb8790131f807151aecce0c7ebaa5c4ac5e154f9de5181bccd737682367",
        ),
        optional=True,
        splits=("train", "val"),
    ),
    "test": SourceFile(
        "val_ids.json",
        "the ids of val_1",
        _LISTS,
        others=("val_1_list.txt",),
        sha256=(
            "3bff1039e964913cc9975b30797476c4efe7364450e4fb4baed786f3f7c1b553",
            "588e528b9db7b5d16f977a069b696e176f6a15924d06ed5d050c44c2ea606653",
        ),
        optional=True,
        splits=("test",),
    ),
    "val_2": SourceFile(
        "val_2_list.txt",
        "the ids of val_2",
        _LISTS,
        sha256=("b1711b648bdf4dcb057b4bf3df09070a5f76af31a7c1bb73a891f8587d15081e",),
        optional=True,
        splits=("val_2",),
    ),
}
VIDEOS = SourceFile(
    "videos",
    "the videos, named by their YouTube ids with or without v_, in any container",
    "activity-net.org/download.html, whose form gives the videos that YouTube has lost",
    others=("Activity_Videos", "Activity_Clips"),
)

_YOUTUBE_ID = 11  # characters; an id may itself start with v_


class TimedSentences(NamedTuple):
    """The sentences of a video, what part each describes, and the duration of the video, in seconds as written."""

    duration: float
    windows: tuple[tuple[float, float], ...]
    sentences: tuple[str, ...]


def read_sentences(path: Path) -> dict[str, tuple[str, ...]]:
    """Return sentences by id, in the file's order; all ids start with v_, whether or not the file's do.

    A JSON map of id -> `{sentences}`, as published, or a list of `{video, caption}`. Raises `DatasetError` naming the
    entry if it is neither, or if a video is repeated.
    """
    return {name: sentences for name, sentences, _ in _entries(path)}


def read_timed_sentences(path: Path) -> dict[str, TimedSentences]:
    """Return sentences by id as `read_sentences`, with their times.

    Raises `DatasetError` as it does, and naming the entry if it has not `duration` and `timestamps`, one a sentence:
    the lists of paragraphs do not.
    """
    return {name: _timed(path, name, sentences, fields) for name, sentences, fields in _entries(path)}


def _timed(path: Path, name: str, sentences: tuple[str, ...], fields: Mapping[str, Any]) -> TimedSentences:
    duration, windows = fields.get("duration"), parse_windows(fields.get("timestamps"))
    sound = windows is not None and len(windows) == len(sentences)
    if windows is None or not sound or not isinstance(duration, int | float) or not 0 < duration < inf:
        kept = {key: fields[key] for key in ("duration", "timestamps") if key in fields}
        raise DatasetError(
            f"{path.absolute()}: {name}: found {str(kept)[:80]!r} beside {len(sentences)} sentences; wanted duration "
            "in seconds and timestamps, a [start, end] for each sentence, as in the published train.json"
        )
    return TimedSentences(float(duration), windows, sentences)


def _entries(path: Path) -> Iterator[tuple[str, tuple[str, ...], Mapping[str, Any]]]:
    """Yield id, sentences and all fields of each video."""
    found = read_json(path, "sentences")
    if not isinstance(found, dict | list) or not found:
        raise DatasetError(f"{path.absolute()}: found {str(found)[:60]!r}; wanted a map from id to sentences")
    entries = found.items() if isinstance(found, dict) else ((None, entry) for entry in found)
    seen: set[str] = set()
    for key, entry in entries:
        fields = entry if isinstance(entry, dict) else {}
        name, sentences = fields.get("video") if key is None else key, fields.get("sentences", fields.get("caption"))
        sentences = [sentences] if isinstance(sentences, str) else sentences
        if not (isinstance(name, str) and isinstance(sentences, list) and all(isinstance(s, str) for s in sentences)):
            raise DatasetError(
                f"{path.absolute()}: {name or 'an entry'}: found {str(entry)[:80]!r}; wanted an object with "
                "sentences, a list of text"
            )
        name = _full_id(name.rpartition("/")[2].partition(".")[0])
        if name in seen:
            raise DatasetError(f"{path.absolute()}: {name}: the video is repeated; keep one entry")
        seen.add(name)
        yield name, tuple(sentences), fields


def read_ids(path: Path) -> tuple[str, ...]:
    """Return the ids of a list, JSON or one a line, all starting with v_.

    Raises `DatasetError` if it is not a list.
    """
    if path.suffix.lower() != ".json":
        return tuple(map(_full_id, read_id_list(path)))
    found = read_json(path, "id list")
    if not isinstance(found, list) or not found or not all(isinstance(name, str) for name in found):
        raise DatasetError(f"{path.absolute()}: found {str(found)[:60]!r}; wanted a list of ids")
    ids = tuple(map(_full_id, found))
    if len(set(ids)) < len(ids):
        twice = sorted({name for name in ids if ids.count(name) > 1})
        raise DatasetError(f"{path.absolute()}: ids appear twice: {name_ids(twice, shown=3)}; keep one each")
    return ids


def _full_id(name: str) -> str:
    name = name.strip()
    return name if name.startswith("v_") and len(name) > _YOUTUBE_ID else f"v_{name}"
