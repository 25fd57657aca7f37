"""The table of an index: a Lance table that is its only ledger. Rows are segments; see `segment_rows`."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import FdakitError
from fdakit.search.file_inventory import FileState
from fdakit.search.filter_sql import quoted
from fdakit.system.atomic_files import write_errors
from fdakit.system.locks import HeldError, exclusive_lock

from .index_info import SCHEMA, IndexInfo
from .lance_library import lance
from .segment_rows import SegmentRow, index_schema, rows_table, with_checksums
from .table_files import CHECKSUMS, TableFiles, check_hard_links

TABLE, CACHE, DAMAGED = "segments.lance", "cache", "damaged"
_INFO = b"fdakit"
_KEPT = timedelta(hours=1)
_SMALL_FRAGMENTS = 64
_NEWEST = (1 << 64) - 1


class IndexTable:
    """An opened table. Reading sees one version until `refresh`; writing goes on from the newest."""

    def __init__(self, folder: Path, dataset: Any, info: IndexInfo) -> None:
        self.folder, self.info = folder, info
        self.dataset = dataset
        self._files = TableFiles(folder / TABLE, folder / CHECKSUMS)

    @classmethod
    def create(cls, folder: Path, info: IndexInfo) -> IndexTable:
        """Create an empty table. Raises `FdakitError` if the disk refuses, or has no hard links."""
        library = lance()
        with write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        check_hard_links(folder)
        schema = index_schema(info.model.width, many=info.model.several)
        info = info.model_copy(update={"schema_number": SCHEMA})
        schema = schema.with_metadata({_INFO: json.dumps(info.to_json()).encode()})
        with _lance_errors(folder / TABLE):
            dataset = library.write_dataset(schema.empty_table(), str(folder / TABLE), mode="create")
        table = cls(folder, dataset, info)
        table._files.settle()
        return table

    @classmethod
    def open(cls, folder: Path, *, writing: bool = False) -> IndexTable:
        """Open the newest version; the one before, with a warning, where that is damaged.

        For `writing` the damaged version's manifest is moved aside, so that writing goes on from the one before.
        Raises `FdakitError` if there is no index, or none of its versions can be read.
        """
        if not (folder / TABLE / "_versions").is_dir():
            what = "no index" if folder.is_dir() else "no such folder"
            raise FdakitError(
                f"{folder.absolute()}: {what}; make one with `fdakit index VIDEOS --model MODEL --out {folder}`"
            )
        dataset = _newest_whole(folder, writing=writing)
        return cls(folder, dataset, _info_of(folder, dataset))

    @property
    def version(self) -> int:
        """The number of the version that is read."""
        return int(self.dataset.version)

    @property
    def _width(self) -> int:
        return self.info.model.width

    def refresh(self) -> None:
        """Read the newest version from now on."""
        self.dataset = _newest_whole(self.folder, writing=False)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the index for writing. Raises `FdakitError` if another process writes to it."""
        try:
            with exclusive_lock(self.folder / ".lock"):
                yield
        except HeldError as held:
            raise FdakitError(
                f"{self.folder.absolute()}: another process writes to this index ({held}); wait until it is finished"
            ) from held

    def files(self) -> dict[str, FileState]:
        """Return the files that have rows, by path."""
        columns = ["path", "size", "modified", "fingerprint"]
        with _lance_errors(self.folder / TABLE):
            found = self.dataset.to_table(columns=columns, filter="segment = 0")
        rows = zip(*(found[name].to_pylist() for name in columns), strict=True)
        return {path: FileState(path, size, modified, fingerprint) for path, size, modified, fingerprint in rows}

    def rows(self, columns: Sequence[str], *, where: str = "") -> Any:
        """Return columns of the rows that fit an SQL condition, as an Arrow table. Raises `FdakitError`."""
        with _lance_errors(self.folder / TABLE):
            return self.dataset.to_table(columns=list(columns), filter=where or None)

    def take(self, offsets: NDArray[np.int64], columns: Sequence[str]) -> Any:
        """Return columns of rows by their places in the table's order, ascending. Raises `FdakitError`."""
        with _lance_errors(self.folder / TABLE):
            return self.dataset.take(offsets.tolist(), columns=list(columns))

    def append(self, rows: Sequence[SegmentRow]) -> None:
        """Add rows as one version; when it returns, they are on disk."""
        self._commit(lambda: self._append(self._arrow(rows)))

    def replace(self, path: str, rows: Sequence[SegmentRow]) -> None:
        """Exchange all rows of a file for others, as one version."""
        condition = f"path = {quoted(path)}"

        def merge() -> None:
            job = self.dataset.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            job.when_not_matched_by_source_delete(condition).execute(self._arrow(rows))

        self._commit(merge)

    def remove(self, paths: Sequence[str]) -> None:
        """Remove all rows of files, as one version."""
        if paths:
            listed = ", ".join(map(quoted, paths))
            self._commit(lambda: self.dataset.delete(f"path IN ({listed})"))

    def rename(self, files: Mapping[str, FileState]) -> None:
        """Give the rows of files, by their path in the table, the path, size and time of what they are now."""
        if not files:
            return
        listed = ", ".join(map(quoted, files))
        found = self.rows(self.dataset.schema.names, where=f"path IN ({listed})")
        import pyarrow as pa

        now = [files[path] for path in found["path"].to_pylist()]
        for name in ("path", "size", "modified"):
            place = found.schema.get_field_index(name)
            field = found.schema.field(name)
            values = pa.array([getattr(file, name) for file in now], field.type)
            found = found.set_column(place, field, values)
        fresh = with_checksums(found)
        self._commit(lambda: self.dataset.merge_insert("id").when_matched_update_all().execute(fresh))

    def tidy(self) -> None:
        """Join small fragments, and remove versions older than an hour; readers of newer ones are not disturbed."""
        with _lance_errors(self.folder / TABLE):
            if len(self.dataset.get_fragments()) >= _SMALL_FRAGMENTS:
                self.dataset.optimize.compact_files()
            self.dataset.cleanup_old_versions(older_than=_KEPT)
        self._files.settle()
        self._files.forget_absent()

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the bytes of the index: damaged files, then rows that fit no checksum."""
        from .segment_rows import checksums

        yield from self._files.faults()
        for fragment in self.dataset.get_fragments():
            try:
                found = fragment.to_table()
            except (OSError, ValueError, RuntimeError) as error:
                yield f"{self.folder / TABLE}: fragment {fragment.fragment_id}: {_first_line(error)}"
                continue
            wrong = (checksums(found) != found["crc"].to_numpy()).nonzero()[0]
            paths = found["path"].take(wrong).to_pylist()
            yield from (f"{path}: the row of one of its segments has been changed" for path in dict.fromkeys(paths))

    def _arrow(self, rows: Sequence[SegmentRow]) -> Any:
        return rows_table(rows, width=self._width, many=self.info.model.several)

    def _append(self, rows: Any) -> None:
        """Write data files, bring them to disk, and only then publish them."""
        library = lance()
        uri = str(self.folder / TABLE)
        fragments = library.fragment.write_fragments(rows, uri, schema=self.dataset.schema)
        self._files.settle()
        operation = library.LanceOperation.Append(fragments)
        self.dataset = library.LanceDataset.commit(uri, operation, read_version=self.version)

    def _commit(self, change: Callable[[], Any]) -> None:
        with _lance_errors(self.folder / TABLE):
            change()
            self._files.settle()
            self.dataset = lance().dataset(str(self.folder / TABLE))


def _newest_whole(folder: Path, *, writing: bool) -> Any:
    """Return the newest version of which all files are there in full."""
    uri, library, faults = str(folder / TABLE), lance(), []
    manifests = _manifests(folder / TABLE)
    for place, (number, _) in enumerate(manifests):
        try:
            dataset = library.dataset(uri) if not place else library.dataset(uri, version=number)
            fault = _lacking(folder / TABLE, dataset)
        except (OSError, ValueError) as error:
            fault = _first_line(error)
        if fault:
            faults.append(f"version {number}: {fault}")
            continue
        if not place:
            return dataset
        if writing:
            for _, damaged in manifests[:place]:
                _set_aside(damaged, folder / DAMAGED)
            dataset = library.dataset(uri)
        done = "what it added will be indexed again" if writing else "`fdakit index` repairs it"
        warnings.warn(
            f"{folder.absolute()}: its newest version is damaged ({faults[0]}), so the one before it is used; {done}",
            stacklevel=3,
        )
        return dataset
    raise FdakitError(
        f"{folder.absolute()}: it cannot be read ({'; '.join(faults[:3]) or 'it has no version'}); remove the "
        "folder and index the videos again"
    )


def _manifests(table: Path) -> list[tuple[int, Path]]:
    """Return number and file of each version, newest first; Lance counts names down from the largest number."""
    found = []
    for path in (table / "_versions").iterdir():
        match = re.fullmatch(r"(\d+)\.manifest", path.name)
        if match:
            number = int(match[1])
            found.append((_NEWEST - number if number > _NEWEST // 2 else number, path))
    return sorted(found, reverse=True)


def _lacking(table: Path, dataset: Any) -> str:
    """Return which data file of a version is absent or too short; "" if none is."""
    for fragment in dataset.get_fragments():
        for file in fragment.data_files():
            path = table / "data" / file.path
            size = path.stat().st_size if path.exists() else -1
            if size != file.file_size_bytes:
                return f"{path.name} " + (
                    "is gone" if size < 0 else f"has {size:,} of {file.file_size_bytes:,} bytes"
                )
    return ""


def _set_aside(path: Path, folder: Path) -> None:
    with write_errors(folder):
        folder.mkdir(exist_ok=True)
        shutil.move(path, folder / path.name)


def _info_of(folder: Path, dataset: Any) -> IndexInfo:
    held = (dataset.schema.metadata or {}).get(_INFO)
    if held is None:
        raise FdakitError(f"{folder.absolute()}: a table that fdakit did not make; choose another folder")
    number = json.loads(held).get("schema_number", 0)
    if number != SCHEMA:
        raise FdakitError(
            f"{folder.absolute()}: made by another version of fdakit (its schema is number {number}, this one reads "
            f"{SCHEMA}); index the videos again into another folder"
        )
    try:
        return IndexInfo.from_json(json.loads(held))
    except ValueError as error:
        raise FdakitError(f"{folder.absolute()}: what the index says of itself is damaged: {error}") from error


@contextmanager
def _lance_errors(path: Path) -> Iterator[None]:
    """Turn what Lance raises into `FdakitError`, with the table and its first line."""
    try:
        with write_errors(path):
            yield
    except (OSError, ValueError, RuntimeError) as error:
        raise FdakitError(
            f"{path.absolute()}: {_first_line(error)}; `fdakit index --verify` says which part of it is damaged"
        ) from error


def _first_line(error: BaseException) -> str:
    said = str(error).strip().partition("\n")[0]
    return re.sub(r", /\S*\.rs:\d+:\d+$", "", said)[:300]
