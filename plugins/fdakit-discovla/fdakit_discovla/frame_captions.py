"""Captions of the frames of videos, made by an image captioner, from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fdakit.dataset_files import read_json
from fdakit.plugin import DatasetError


class FrameCaptions:
    """The captions of each video, by its id; they need not be as many as its frames."""

    def __init__(self, path: Path, captions: Mapping[str, tuple[str, ...]]) -> None:
        self._path, self._captions = path, captions

    @classmethod
    def read(cls, path: Path) -> FrameCaptions:
        """Read a JSON object of video ids with lists of texts. Raises `DatasetError` if it is something else."""
        found: Any = read_json(path, "captions of frames")
        rows: dict[str, Any] = found
        if not isinstance(found, dict):
            raise DatasetError(f"{path.absolute()}: {_kind(found)}; wanted an object of lists of texts by video id")
        return cls(path, {name: _checked(path, name, texts) for name, texts in rows.items()})

    def of(self, ids: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the captions of some videos. Raises `DatasetError` if one has none."""
        wanted = dict.fromkeys(ids)
        absent = [name for name in wanted if name not in self._captions]
        if absent:
            raise DatasetError(
                f"{self._path.absolute()}: no captions of {len(absent):,} of {len(wanted):,} training videos "
                f"({_few(absent)}); it has those of {_few(list(self._captions)) or 'no video'}; name videos as the "
                "data set does, make captions of their frames, or leave `captions` out"
            )
        return [self._captions[name] for name in ids]


def _checked(path: Path, name: str, texts: Any) -> tuple[str, ...]:
    """Return the captions of a video as a tuple; there must be one at least."""
    given: list[Any] = texts
    if not isinstance(texts, list) or not given or not all(isinstance(text, str) and text.strip() for text in given):
        raise DatasetError(f"{path.absolute()}: video {name!r} has {_kind(texts)}; wanted a list of one text or more")
    return tuple(given)


def _few(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")


def _kind(value: Any) -> str:
    return f"{repr(value)[:60]} ({type(value).__name__})"
