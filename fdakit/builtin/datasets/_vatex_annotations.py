"""VATEX's files: their names, and the two formats of its captions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fdakit.dataset_files import find_source, read_caption_map, read_json
from fdakit.plugin import DatasetError, SourceFile

SITE = "eric-xw.github.io/vatex-website/download.html"
_LISTS = (
    "github.com/CryhanFang/CLIP2Video, data/vatex_data; the same at github.com/OpenGVLab/InternVideo, commit "
    "0e781fe, Downstream/Video-Text-Retrieval/data/VATEX"
)
_MAP = "ref_captions.json"  # id -> captions in English, as used by TS2-Net
_PUBLIC_TEST = "vatex_public_test_english_v1.1.json"  # the published lists do not need it
_FIELDS = {"english": "enCap", "chinese": "chCap"}


def _list(path: str, what: str, sha256: str, *splits: str) -> SourceFile:
    return SourceFile(path, what, _LISTS, sha256=(sha256,), splits=splits)


LISTS = {
    "train": _list(
        *("train_list.txt", "the ids of the train videos"),
        *("4434a6863540f638cd5c62b7497f9ac13ea5ab84da72b7928e507ee0c5f46f22", "train"),
    ),
    "val": _list(
        *("val_list.txt", "the ids of the val videos"),
        *("223d6d6b0b8c88f093ac1942e1165ae6d21a982362252ba574059e1a27083066", "val"),
    ),
    "test": _list(
        *("test_list.txt", "the ids of the test videos"),
        *("652fd9bbfe53d53935b292b0e4127bc8e41cae6846b3c9faa4f502d96f160a42", "test"),
    ),
}
OTHER_TEST = _list(
    *("test1k5_sec_list.txt", "the ids of CLIP2Video's test videos"),
    *("20f22ab90daa192f17c18672bf4afc36f6a62c8edf2e55d0dce7f57fb11111dc", "val", "test"),
)
CAPTIONS = (
    SourceFile(
        "vatex_training_v1.0.json", "the captions of the train videos", SITE, others=(_MAP,), splits=("train",)
    ),
    SourceFile(
        "vatex_validation_v1.0.json",
        "the captions of the val and test videos",
        SITE,
        others=(_MAP,),
        splits=("val", "test"),
    ),
)
VIDEOS = SourceFile(
    "videos",
    "the clips, named by their ids (a YouTube id, first and last second), in any container",
    f"{SITE}, which lists the ids; the clips are those of Kinetics-600 on YouTube",
    others=("vatex_videos", "VATEX_Videos"),
)


def caption_files(root: Path, split: str) -> tuple[Path, ...]:
    """Return all existing files that may hold captions of the split. Raises `DatasetError` if there is none."""
    source = next(source for source in CAPTIONS if split in source.splits)
    first = find_source(root, source)
    more = (root / name for name in (*source.others, *(() if split == "train" else (_PUBLIC_TEST,))))
    return (first, *(path for path in more if path != first and path.is_file()))


def read_captions(path: Path, language: Literal["english", "chinese"]) -> dict[str, tuple[str, ...]]:
    """Return captions by video id, without blank ones; videos without any in this language are left out.

    A JSON list of `{videoID, enCap, chCap}`, as published, or `ref_captions.json`, a map from id to captions in
    English. Raises `DatasetError` naming the entry if it is neither, or if a video is repeated.
    """
    if path.name == _MAP:
        entries = read_caption_map(path).items() if language == "english" else ()
        return {name: kept for name, captions in entries if (kept := _kept(captions))}
    found = read_json(path, "captions")
    if not isinstance(found, list) or not found:
        raise DatasetError(f"{path.absolute()}: found {str(found)[:60]!r}; wanted a list of objects, one a video")
    told: dict[str, tuple[str, ...]] = {}
    seen: set[str] = set()
    for place, entry in enumerate(found, 1):
        fields = entry if isinstance(entry, dict) else {}
        name, captions = fields.get("videoID"), fields.get(_FIELDS[language], [])
        if not (isinstance(name, str) and isinstance(captions, list) and all(isinstance(c, str) for c in captions)):
            raise DatasetError(
                f"{path.absolute()}: entry {place}: found {str(entry)[:80]!r}; wanted an object with videoID and "
                f"{_FIELDS[language]}, a list of text"
            )
        if name in seen:
            raise DatasetError(f"{path.absolute()}: entry {place}: {name} is repeated; keep one entry")
        seen.add(name)
        if kept := _kept(captions):
            told[name] = kept
    return told


def _kept(captions: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(caption.strip() for caption in captions if caption.strip())
