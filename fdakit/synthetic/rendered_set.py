"""Splits of rendered clips: each is rendered once into a folder, and found there afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from pydantic import BaseModel

from fdakit.plugin import Caption, DatasetError, Progress, Split, VideoRef, read_text, write_errors

_INDEX = "index.tsv"


@dataclass(frozen=True)
class RenderedSet:
    """The splits of the data set `name` below `folder`; `counts` are the clips of each.

    `write(split, index, path)` renders one clip into a file and returns its caption.
    """

    name: str
    folder: Path
    counts: Mapping[str, int]
    write: Callable[[str, int, Path], str]

    @classmethod
    def in_cache(
        cls, name: str, cache: Path, options: BaseModel, *, clips: int, captions: int, write: Callable[..., str]
    ) -> Self:
        """Return a set of `clips` for training, and one for each of the captions for `val` and for `test`.

        Its folder in the cache is named by everything that determines the bytes of the clips.
        """
        from .render import VERSION, codec

        facts = json.dumps([options.model_dump(), VERSION, codec()], sort_keys=True)
        folder = cache / name / blake2b(facts.encode(), digest_size=8).hexdigest()
        return cls(name, folder, {"train": clips, "val": captions, "test": captions}, write)

    def load(self, split: str, progress: Progress) -> Split:
        """Return the split, rendered if it is not there. Raises `DatasetError` if it cannot be written."""
        if split not in self.counts:
            raise DatasetError(f"{self.name}: no split {split!r}; choose one of {', '.join(self.counts)}")
        folder = self.folder / split
        rows = _read_index(folder, self.counts[split])
        if rows is None:
            with write_errors(folder, error=DatasetError, advice="free space or choose another cache"):
                rows = self._render(split, folder, progress)
        videos = tuple(VideoRef(name, folder / file) for name, _, file in rows)
        return Split(split, videos, tuple(Caption(text, name) for name, text, _ in rows))

    def _render(self, split: str, folder: Path, progress: Progress) -> list[list[str]]:
        """Render next to `folder` and move the finished set there: a kill leaves no partial set."""
        count = self.counts[split]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{split}-", dir=folder.parent, ignore_cleanup_errors=True) as scratch:
            fresh = Path(scratch, "set")
            fresh.mkdir()
            rows = []
            for i in range(count):
                file = f"{i:05d}.mp4"
                rows.append([f"{split}-{i:05d}", self.write(split, i, fresh / file), file])
                progress(f"rendering {split}", i + 1, count)
            lines = ["\t".join(row) for row in [["id", "caption", "file"], *rows]]
            (fresh / _INDEX).write_text("\n".join(lines) + "\n", encoding="utf-8")
            _move_into_place(fresh, folder, count)
        return rows


def _move_into_place(fresh: Path, folder: Path, count: int) -> None:
    """Make `fresh` the set at `folder`, unless another process has finished the same set meanwhile."""
    try:
        fresh.replace(folder)
    except OSError:  # something is there already
        if _read_index(folder, count) is not None:
            return
        folder.replace(fresh.with_name("broken"))  # deleted with the scratch folder
        fresh.replace(folder)


def _read_index(folder: Path, count: int) -> list[list[str]] | None:
    """Return rows of id, caption and file of a finished set; None if there is none, or a file is missing."""
    try:
        lines = read_text(folder / _INDEX, error=DatasetError).splitlines()
    except DatasetError:  # absent, or damaged: it is rendered again
        return None
    rows = [line.split("\t") for line in lines[1:]]
    complete = len(rows) == count and all(len(row) == 3 and (folder / row[2]).is_file() for row in rows)
    return rows if complete else None
