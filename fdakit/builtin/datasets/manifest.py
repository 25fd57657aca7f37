"""manifest: your own videos, named by one CSV, TSV or JSON Lines file with a caption in each row.

Columns `path` and `caption`, and optionally `split`, `start` and `end` (seconds); other columns are ignored. Rows
with the same video and segment are several captions of it. In CSV and TSV the first row names the columns, and a
field may be in double quotes, as spreadsheets write it; white space around a file name is part of it then, and in
JSON Lines.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field

from fdakit.dataset_files import TableRow, missing_column_message, read_table_rows, row_error
from fdakit.plugin import (
    BuildContext,
    Caption,
    Component,
    Dataset,
    DatasetError,
    Options,
    Progress,
    Split,
    VideoRef,
    hookimpl,
)


class ManifestOptions(Options):
    """The file and the names of its columns."""

    path: Path = Field(description="the file: .csv, .tsv or .jsonl")
    root: Path | None = Field(None, description="where relative video paths start; left out: the file's folder")
    video_column: str = Field("path", description="column of the video file")
    caption_column: str = Field("caption", description="column of the caption")
    split_column: str = Field("split", description="column of the split; where it is absent, all rows are test")
    start_column: str = Field("start", description="column of a segment's start in seconds; may be absent or empty")
    end_column: str = Field("end", description="column of a segment's end in seconds; may be absent or empty")


class Manifest:
    """The data set. Reads the file on first use; whether the videos exist is for the caller to check."""

    def __init__(self, options: ManifestOptions) -> None:
        self._options = options
        self._path = options.path.absolute()

    def splits(self) -> tuple[str, ...]:
        """Return the splits in the order the file names them. Raises `DatasetError` if the file cannot be used."""
        return tuple(dict.fromkeys(split for split, _, _ in self._entries))

    def load(self, split: str, progress: Progress) -> Split:
        """Return one split, its captions in the file's order. Raises `DatasetError` if the file cannot be used."""
        entries = [(video, caption) for name, video, caption in self._entries if name == split]
        if not entries:
            raise DatasetError(f"{self._path}: no rows of split {split!r}; choose one of {', '.join(self.splits())}")
        videos = {video.id: video for video, _ in entries}
        captions = tuple(Caption(text, video.id) for video, text in entries)
        return Split(split, tuple(videos.values()), captions)

    @cached_property
    def _entries(self) -> tuple[tuple[str, VideoRef, str], ...]:
        """Return split, video and caption of each row."""
        named = {getattr(self._options, option): f"dataset.{option}" for option in ("video_column", "caption_column")}
        rows = read_table_rows(self._path, named, names=[self._options.video_column])
        columns = list(dict.fromkeys(column for row in rows for column in row.fields))
        for option in ("split_column", "start_column", "end_column"):
            column = getattr(self._options, option)
            # The default names may be absent, also if a resolved recipe states them; other names may not.
            if column != ManifestOptions.model_fields[option].default and column not in columns:
                raise DatasetError(f"{self._path}: {missing_column_message(column, f'dataset.{option}', columns)}")
        return tuple(self._entry(row) for row in rows)

    def _entry(self, row: TableRow) -> tuple[str, VideoRef, str]:
        options = self._options
        name = self._text(row, options.video_column)
        caption = self._text(row, options.caption_column).strip()
        split = self._text(row, options.split_column).strip() if options.split_column in row.fields else "test"
        start, end = self._seconds(row, options.start_column), self._seconds(row, options.end_column)
        if end is not None and end <= (start or 0.0):
            raise row_error(
                self._path, row.line, f"the segment ends at {end:g} s, not after its start; give a later end"
            )
        root = self._path.parent if options.root is None else options.root
        segment = "" if start is end is None else f"#{_written(start)}-{_written(end)}"
        return split, VideoRef(name + segment, root / name, start, end), caption

    def _text(self, row: TableRow, column: str) -> str:
        value = row.fields[column]
        if not isinstance(value, str):
            raise row_error(self._path, row.line, f"{column} is {value!r}; wanted text")
        if not value.strip():
            raise row_error(self._path, row.line, f"{column} is empty; fill it or delete the row")
        return value

    def _seconds(self, row: TableRow, column: str) -> float | None:
        value = row.fields.get(column)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        try:
            seconds = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            seconds = math.nan
        if not (math.isfinite(seconds) and seconds >= 0):
            raise row_error(self._path, row.line, f"{column} is {value!r}; wanted seconds, as 12.5")
        return seconds


def _written(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.12g}"


def build(options: ManifestOptions, shapes: BuildContext) -> Manifest:
    """Return the dataset; the file is read when a split is asked for."""
    return Manifest(options)


MANIFEST = Component("manifest", "your own videos, named by a CSV, TSV or JSON Lines file", ManifestOptions, build)


@hookimpl
def fdakit_datasets() -> Iterable[Component[Any, Dataset]]:
    """Offer `manifest`."""
    return (MANIFEST,)
