"""The samples of a folder: videos with their caption files, and the captions in them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from fdakit.dataset_files import VIDEO_ENDINGS, read_json
from fdakit.plugin import DatasetError, read_text

_KEYS = ("caption", "text")


@dataclass(frozen=True)
class Sample:
    """A video and the caption files next to it, None if there is none."""

    video: Path
    text: Path | None
    notes: Path | None


def walk_samples(root: Path) -> tuple[dict[str, Sample], tuple[str, ...]]:
    """Return samples by path below the folder without suffix, in order, and the .txt files without a video.

    Hidden files and folders are ignored. Raises `DatasetError` if the folder is absent, cannot be read or has no
    video, and if two videos differ only in their suffixes.
    """
    videos: dict[str, Path] = {}
    beside: dict[str, dict[str, Path]] = {".txt": {}, ".json": {}}
    endings = set()
    for path in _files(root):
        name, ending = path.relative_to(root).with_suffix("").as_posix(), path.suffix.lower()
        endings.add(ending)
        if ending in beside:
            beside[ending].setdefault(name, path)
        elif ending in VIDEO_ENDINGS and name in videos:
            raise DatasetError(
                f"{path.absolute()}: {videos[name].name} is next to it and would share its caption; keep one"
            )
        elif ending in VIDEO_ENDINGS:
            videos[name] = path
    if not videos:
        remedy = "unpack its .tar files" if ".tar" in endings else "name the folder of your videos with path"
        raise DatasetError(f"{root.absolute()}: holds no video; {remedy}")
    text, notes = beside[".txt"], beside[".json"]
    samples = {name: Sample(videos[name], text.get(name), notes.get(name)) for name in sorted(videos)}
    return samples, tuple(sorted(text.keys() - videos.keys()))


def read_captions(sample: Sample, *, key: str | None) -> tuple[str, ...]:
    """Return the caption of the .txt file, then those under `key` of the .json file, without repeats; may be empty.

    Runs of white space become one space. Raises `DatasetError` naming a file that cannot be read so.
    """
    found = [] if sample.text is None else [_read_text(sample.text)]
    fields = _read_notes(sample.notes)
    chosen = key or next((key for key in _KEYS if fields.get(key) is not None), _KEYS[0])
    told = fields.get(chosen)
    captions = told if isinstance(told, list) else [] if told is None else [told]
    if not all(isinstance(caption, str) for caption in captions):
        path = sample.notes.absolute() if sample.notes else sample.video
        raise DatasetError(f"{path}: {chosen} is {str(told)[:60]!r}; wanted text or a list of text")
    return tuple(dict.fromkeys(text for caption in [*found, *captions] if (text := " ".join(caption.split()))))


def json_keys(sample: Sample) -> tuple[str, ...]:
    """Return the keys of its .json file, for a message."""
    return tuple(_read_notes(sample.notes))


def _files(root: Path) -> list[Path]:
    """Return all files below the folder; links to folders are followed unless they lead back up."""
    if not root.is_dir():
        raise DatasetError(f"{root.absolute()}: no such folder; name the folder of your videos with path")
    found = []
    for place, folders, names in os.walk(root, followlinks=True, onerror=_cannot_read):
        here = os.path.realpath(place) + os.sep
        up = [name for name in folders if here.startswith(os.path.realpath(Path(place, name)) + os.sep)]
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in up)
        found += [Path(place, name) for name in sorted(names) if not name.startswith(".")]
    return found


def _cannot_read(error: OSError) -> NoReturn:
    where = Path(error.filename).absolute()
    raise DatasetError(f"{where}: cannot be read ({error.strerror}); correct its rights or move it away") from error


def _read_text(path: Path) -> str:
    return read_text(path, error=DatasetError, advice="correct its rights", what="caption")


def _read_notes(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    found = read_json(path, "caption")
    if not isinstance(found, dict):
        raise DatasetError(f"{path.absolute()}: found {str(found)[:60]!r}; wanted an object with a caption")
    return found
