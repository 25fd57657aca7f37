"""Bringing an index in line with the files: what is new or changed is encoded, the rest is only looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdakit.errors import DatasetError

from .file_inventory import Changes, FileState, Roots, find_changes, list_files
from .table.index_table import IndexTable
from .table.segment_rows import SegmentRow

if TYPE_CHECKING:
    from .segment_encoding import EncodedFile, SegmentEncoder

WAVE = 64
"""Files that are probed together."""

_ROWS = 512  # at most so many are held before they are written

Tell = Callable[[str], None]
Progress = Callable[[str, int, int], None]


@dataclass
class IndexingResult:
    """What was done, in files but for `segments`; `unreadable` and `remarks` by path."""

    unchanged: int = 0
    added: int = 0
    updated: int = 0
    moved: int = 0
    removed: int = 0
    segments: int = 0
    still: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return dict(vars(self))


def planned_changes(table: IndexTable, roots: Roots, *, prune: bool, tell: Tell) -> Changes:
    """Return what differs between files and index.

    Raises `DatasetError` if all files of a folder are gone, as when its disk is not mounted, unless `prune`.
    """
    known = table.files()
    changes = find_changes(list_files(roots, told=tell), known, roots)
    if not prune:
        for folder in roots.folders:
            mine = Roots((folder,), ())
            before = [path for path in known if mine.cover(path)]
            if before and set(before) <= set(changes.gone):
                raise DatasetError(
                    f"{folder}: holds none of the {len(before):,} videos that the index has of it; if its disk is not"
                    " mounted, mount it; if they are really gone, add --prune. Nothing in the index was changed"
                )
    return changes


def apply_light_changes(table: IndexTable, changes: Changes, result: IndexingResult) -> None:
    """Write what needs no model: other paths and times, and files that are gone."""
    result.unchanged = changes.unchanged
    if changes.same:
        table.rename(changes.same)
        result.moved = changes.moved
        result.unchanged += len(changes.same) - changes.moved
    if changes.gone:
        table.remove(changes.gone)
        result.removed = len(changes.gone)


def encode_changes(
    table: IndexTable, changes: Changes, encoder: SegmentEncoder, result: IndexingResult, *, progress: Progress
) -> None:
    """Encode new and changed files and write their rows; stopped at any time, what was finished is kept."""
    fresh = {file.path for file in changes.new}
    files = [*changes.new, *changes.changed]
    held: list[EncodedFile] = []
    done = 0
    progress("indexing videos", 0, len(files))
    try:
        for one in _encoded(encoder, files):
            done += 1
            if _now(one.file) != one.file.stamp:
                result.remarks[one.file.path] = "was changed while it was read; index again to take it in"
            elif one.file.path in fresh:
                held.append(one)
            else:
                table.replace(one.file.path, one.rows)
                _count(result, one, new=False)
            if sum(len(each.rows) for each in held) >= _ROWS:
                _write(table, held, result)
            progress("indexing videos", done, len(files))
    finally:
        _write(table, held, result)


def _encoded(encoder: SegmentEncoder, files: Sequence[FileState]) -> Iterator[EncodedFile]:
    for start in range(0, len(files), WAVE):
        yield from encoder.encode(files[start : start + WAVE])


def _write(table: IndexTable, held: list[EncodedFile], result: IndexingResult) -> None:
    rows: list[SegmentRow] = [row for one in held for row in one.rows]
    if rows:
        table.append(rows)
        for one in held:
            _count(result, one, new=True)
        held.clear()


def _count(result: IndexingResult, one: EncodedFile, *, new: bool) -> None:
    if new:
        result.added += 1
    else:
        result.updated += 1
    result.segments += sum(row.status == "indexed" for row in one.rows)
    result.still += sum(row.status == "still" for row in one.rows)
    if one.lost:
        result.unreadable[one.file.path] = one.lost
    else:
        told = next((row.reason for row in one.rows if row.reason), "")
        if told:
            result.remarks[one.file.path] = told


def _now(file: FileState) -> tuple[int, int] | None:
    try:
        seen = Path(file.path).stat()
    except OSError:
        return None
    return seen.st_size, seen.st_mtime_ns
