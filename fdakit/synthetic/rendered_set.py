"""Splits of rendered clips: each is rendered once into a folder, and found there afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from fdakit.plugin import Caption, DatasetError, Progress, Split, VideoRef, read_text, write_errors

_INDEX = "index.tsv"


@dataclass(frozen=True)
class RenderedSet:
    """The splits of the data set `name` below `folder`; `counts` are the captions of each, `events` those of a video.

    `write(split, index, path)` renders one video into a file and returns its captions.
    """

    name: str
    folder: Path
    counts: Mapping[str, int]
    write: Callable[[str, int, Path], Sequence[str]]
    events: int = 1

    @classmethod
    def in_cache(
        cls,
        name: str,
        cache: Path,
        options: Mapping[str, Any],
        *,
        clips: int,
        captions: int,
        write: Callable[[str, int, Path], Sequence[str]],
        events: int = 1,
    ) -> Self:
        """Return a set of `clips` for training, and one for each of the captions for `val` and for `test`.

        A video shows as many of them as it has `events`. The folder in the cache is named by the options and the
        codec, which are everything that determines the bytes.
        """
        from .render import VERSION, codec

        facts = json.dumps([options, VERSION, codec()], sort_keys=True)
        folder = cache / name / blake2b(facts.encode(), digest_size=8).hexdigest()
        return cls(name, folder, {"train": clips, "val": captions, "test": captions}, write, events)

    def load(self, split: str, progress: Progress) -> Split:
        """Return the split, rendered if it is not there. Raises `DatasetError` if it cannot be written."""
        if split not in self.counts:
            raise DatasetError(f"{self.name}: no split {split!r}; choose one of {', '.join(self.counts)}")
        folder = self.folder / split
        rows = _read_index(folder, self.counts[split])
        if rows is None:
            with write_errors(folder, error=DatasetError, advice="free space or choose another cache"):
                rows = self._render(split, folder, progress)
        files = {name: folder / file for name, _, file in rows}
        videos = tuple(VideoRef(name, path) for name, path in files.items())
        return Split(split, videos, tuple(Caption(text, name) for name, text, _ in rows))

    def _render(self, split: str, folder: Path, progress: Progress) -> list[list[str]]:
        """Render next to `folder` and move the finished set there: a kill leaves no partial set."""
        count = self.counts[split] // self.events
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{split}-", dir=folder.parent, ignore_cleanup_errors=True) as scratch:
            fresh = Path(scratch, "set")
            fresh.mkdir()
            rows: list[list[str]] = []
            for i in range(count):
                file = f"{i:05d}.mp4"
                rows += ([f"{split}-{i:05d}", text, file] for text in self.write(split, i, fresh / file))
                progress(f"rendering {split}", i + 1, count)
            lines = ["\t".join(row) for row in [["id", "caption", "file"], *rows]]
            (fresh / _INDEX).write_text("\n".join(lines) + "\n", encoding="utf-8")
            _move_into_place(fresh, folder, len(rows))
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
    """Return `count` rows of id, caption and file; None if there is no such finished set, or a file is missing."""
    try:
        lines = read_text(folder / _INDEX, error=DatasetError).splitlines()
    except DatasetError:  # absent, or damaged: it is rendered again
        return None
    rows = [line.split("\t") for line in lines[1:]]
    complete = len(rows) == count and all(len(row) == 3 and (folder / row[2]).is_file() for row in rows)
    return rows if complete else None
