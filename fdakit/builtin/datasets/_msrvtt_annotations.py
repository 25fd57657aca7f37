"""MSR-VTT's captions and id lists in all their formats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdakit.dataset_files import read_caption_map, read_id_list, read_json, read_table_rows, row_error
from fdakit.plugin import DatasetError

_FORMS = (
    "'sentences' of {'video_id', 'caption'} as in MSRVTT_data.json, 'annotations' of {'image_id', 'caption'}, "
    "a list of {'video' or 'video_id', 'caption'}, or a map from id to captions"
)
_SETS = {"train": "train", "validate": "val", "val": "val", "test": "test"}


@dataclass(frozen=True)
class Annotations:
    """Captions by video id in the file's order, and the ids of the official splits, if the files name them."""

    captions: Mapping[str, tuple[str, ...]]
    splits: Mapping[str, tuple[str, ...]]


def read_annotations(paths: Iterable[Path]) -> Annotations:
    """Return all captions of some files; the first file with captions of a video counts.

    Raises `DatasetError` if a file has none of the known formats.
    """
    captions: dict[str, tuple[str, ...]] = {}
    splits: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        ending = path.suffix.lower()
        if ending == ".csv":
            found: Any = read_pairs(path)
        else:
            found = read_json(path, "captions") if ending == ".json" else read_caption_map(path)
        for name, texts in _grouped(path.absolute(), found).items():
            captions.setdefault(name, texts)
        if isinstance(found, dict) and isinstance(found.get("videos"), list):
            for place, video in enumerate(found["videos"]):
                name = _field(path.absolute(), video, ("video_id",), f"videos[{place}]")
                splits[_SETS.get(str(video.get("split")), "")].append(name)
    return Annotations(captions, {name: tuple(dict.fromkeys(ids)) for name, ids in splits.items() if name})


def read_pairs(path: Path) -> dict[str, tuple[str, ...]]:
    """Return video id -> captions, in file order, of a csv with `video_id` and `sentence`, or a JSON format."""
    if path.suffix.lower() == ".json":
        return _grouped(path.absolute(), read_json(path, "captions"))
    pairs: dict[str, list[str]] = {}
    for row in read_table_rows(path, ("video_id", "sentence"), names=["video_id"]):
        name, text = (str(row.fields[column]).strip() for column in ("video_id", "sentence"))
        if not (name and text):
            raise row_error(path.absolute(), row.line, "video_id or sentence is empty; fetch the file again")
        pairs.setdefault(name, []).append(text)
    return {name: tuple(texts) for name, texts in pairs.items()}


def read_ids(path: Path) -> tuple[str, ...]:
    """Return the ids of a list: text, a csv with the column `video_id`, or a JSON format.

    Raises `DatasetError` on repeats.
    """
    ending = path.suffix.lower()
    if ending == ".txt":
        return read_id_list(path)
    if ending == ".json":
        found = read_json(path, "ids")
        plain = isinstance(found, list) and all(isinstance(name, str) for name in found)
        return tuple(dict.fromkeys(found)) if plain else tuple(_grouped(path.absolute(), found))
    ids: dict[str, None] = {}
    for row in read_table_rows(path, ("video_id",), names=["video_id"]):
        name = str(row.fields["video_id"]).strip()
        if not name or name in ids:
            raise row_error(path.absolute(), row.line, f"video_id {name!r} is empty or repeated; keep one row each")
        ids[name] = None
    return tuple(ids)


def refuse_shared(path: Path, ids: Iterable[str], theirs: Iterable[str], *, split: str, later: str) -> None:
    """Raise `DatasetError` if videos of one split are also in a later one, by list `path`."""
    known = set(theirs)
    mine = list(ids)
    shared = [name for name in mine if name in known]
    if shared:
        raise DatasetError(
            f"{path.absolute()}: {len(shared):,} of {len(mine):,} {split} videos are in the {later} split "
            f"({', '.join(shared[:3])}{', ...' if shared[3:] else ''}), so its numbers would mean nothing; take the "
            "list of this protocol, or the protocol of this list (train_list_miech.txt is of '1k-B')"
        )


def _grouped(path: Path, found: Any) -> dict[str, tuple[str, ...]]:
    """Return captions by id, of any format, without blank captions."""
    if isinstance(found, dict) and isinstance(found.get("sentences"), list):
        pairs = _pairs(path, found["sentences"], ("video_id",))
    elif isinstance(found, dict) and isinstance(found.get("annotations"), list):
        pairs = _pairs(path, found["annotations"], ("image_id", "video_id"))
    elif isinstance(found, list) and found:
        pairs = _pairs(path, found, ("video_id", "video"))
    elif isinstance(found, dict) and all(isinstance(texts, list | tuple) for texts in found.values()):
        entries = [{"video_id": name, "caption": list(texts)} for name, texts in found.items()]
        pairs = _pairs(path, entries, ("video_id",))
    else:
        raise DatasetError(f"{path}: captions in no known form; wanted {_FORMS}")
    captions: dict[str, list[str]] = {}
    for name, text in pairs:
        mine = captions.setdefault(name, [])
        if text.strip():
            mine.append(text.strip())
    return {name: tuple(texts) for name, texts in captions.items()}


def _pairs(path: Path, entries: list[Any], keys: tuple[str, ...]) -> list[tuple[str, str]]:
    pairs = []
    for place, entry in enumerate(entries):
        name = _field(path, entry, keys, f"entry {place}")
        texts = entry.get("caption")
        for text in texts if isinstance(texts, list) else [texts]:
            if isinstance(text, list) and all(isinstance(word, str) for word in text):
                text = " ".join(text)  # as in raw-captions.pkl
            if not isinstance(text, str):
                raise DatasetError(f"{path}: entry {place}: caption is {text!r}; wanted {_FORMS}")
            pairs.append((name, text))
    return pairs


def _field(path: Path, entry: Any, keys: tuple[str, ...], where: str) -> str:
    """Return the id that an entry names; file names lose their suffix and folder."""
    value = next((entry[key] for key in keys if key in entry), None) if isinstance(entry, dict) else None
    if not isinstance(value, str) or not value:
        raise DatasetError(f"{path}: {where}: no {' or '.join(keys)} in {str(entry)[:60]!r}; wanted {_FORMS}")
    return value.rpartition("/")[2].partition(".")[0]
