"""The vectors of a table, read where they lie: pages of its data files, mapped into memory.

Lance keeps fixed-size lists of float32 as they are, a row after the other. Where a page begins is found by its first
row, and held to rows all over it; where that fails, the vectors are read into memory.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

_COMPARED = 32  # rows of a page that are held to what Lance reads
_CHUNK = 16384  # rows given at once


@dataclass(frozen=True)
class _Page:
    """Consecutive rows of a fragment: positions from `first` on, their offsets in the page, and the page."""

    first: int
    offsets: NDArray[np.int64]
    vectors: Vectors


class TableVectors:
    """The vectors of the indexed segments of one version of a table, by position in the table's order.

    `ids` and `offsets (n,)` are those of their rows: `dataset.take(offsets)` reads the rows themselves.
    """

    def __init__(self, dataset: Any, folder: Path, *, width: int) -> None:
        self.version = int(dataset.version)
        self.width = width
        self._pages: list[_Page] = []
        ids, offsets = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        count = passed = 0
        for fragment in dataset.get_fragments():
            found = fragment.scanner(columns=["id", "status"], with_row_address=True).to_table()
            status = np.asarray(found["status"].to_pylist(), object)
            indexed = np.flatnonzero(status == "indexed")
            ids.append(found["id"].to_numpy()[indexed])
            offsets.append(indexed + passed)
            places = found["_rowaddr"].to_numpy().astype(np.int64) & 0xFFFFFFFF
            reading = _FragmentVectors(fragment, folder, places, width)
            self._pages += [replace(page, first=page.first + count) for page in reading.pages(indexed)]
            count += len(indexed)
            passed += found.num_rows
        self.ids: NDArray[np.int64] = np.concatenate(ids)
        self.offsets: NDArray[np.int64] = np.concatenate(offsets)
        self._firsts = np.array([page.first for page in self._pages], np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def mapped(self) -> bool:
        """Whether all vectors are read where they lie."""
        return all(map(_mapped, self._pages))

    def gather(self, positions: NDArray[np.int64]) -> Vectors:
        """Return the vectors `(m, d)` at positions."""
        found = np.empty((len(positions), self.width), np.float32)
        which = np.searchsorted(self._firsts, positions, side="right") - 1
        for number in np.unique(which):
            page, here = self._pages[number], which == number
            found[here] = page.vectors[page.offsets[positions[here] - page.first]]
        return found

    def chunks(self) -> Iterator[tuple[int, Vectors]]:
        """Yield the position of the first, and vectors `(c, d)`, through all in order."""
        for page in self._pages:
            for start in range(0, len(page.offsets), _CHUNK):
                offsets = page.offsets[start : start + _CHUNK]
                whole = len(offsets) and offsets[-1] - offsets[0] == len(offsets) - 1
                vectors = page.vectors[offsets[0] : offsets[-1] + 1] if whole else page.vectors[offsets]
                yield page.first + start, vectors


def _mapped(page: _Page) -> bool:
    base: Any = page.vectors
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return isinstance(base, mmap.mmap | memoryview)


class _FragmentVectors:
    """The vectors of a fragment: `places` are where its rows that are not deleted lie among all of its rows."""

    def __init__(self, fragment: Any, folder: Path, places: NDArray[np.int64], width: int) -> None:
        self._fragment, self._places, self._width = fragment, places, width
        names = [file.path for file in fragment.data_files()]
        self._path = folder / "data" / names[0] if len(names) == 1 else None

    def pages(self, rows: NDArray[np.int64]) -> Iterator[_Page]:
        """Yield the pages of these of the rows that are not deleted, ascending; the first begins at 0."""
        done = 0
        while done < len(rows):
            page = self._page_from(int(rows[done]))
            if page is None:  # this release of Lance has another layout
                read = self._read(rows[done:])
                yield _Page(done, np.arange(len(read)), read)
                return
            start = int(self._places[rows[done]])
            inside = int(np.searchsorted(self._places[rows], start + len(page)))
            yield _Page(done, self._places[rows[done:inside]] - start, page)
            done = inside

    def _page_from(self, row: int) -> Vectors | None:
        """Return the vectors that lie from a row on, deleted ones too; None if they are not found."""
        if self._path is None:
            return None
        head = self._read(np.array([row])).tobytes()
        with self._path.open("rb") as handle:
            content = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        offset = content.find(head)
        while offset >= 0 and offset % 4:
            offset = content.find(head, offset + 1)
        if offset < 0:
            return None
        place = int(self._places[row])
        count = min(int(self._fragment.physical_rows) - place, (len(content) - offset) // (4 * self._width))
        vectors = np.frombuffer(content, np.float32, count * self._width, offset).reshape(count, self._width)
        agreeing = self._agreeing(vectors, row)
        return vectors[:agreeing] if agreeing else None

    def _agreeing(self, vectors: Vectors, row: int) -> int:
        """Return how many of the supposed vectors from a row on are right, by rows all over them."""
        count, begin = len(vectors), int(self._places[row])
        while count:
            last = int(np.searchsorted(self._places, begin + count)) - 1
            rows = np.unique(np.linspace(row, last, min(last - row + 1, _COMPARED)).astype(np.int64))
            equal = (self._read(rows) == vectors[self._places[rows] - begin]).all(1)
            if equal.all():
                return count
            wrong = int(self._places[rows[np.argmin(equal)]]) - begin
            count = wrong // 2  # the page ends before; what follows has a page of its own
        return 0

    def _read(self, rows: NDArray[np.int64]) -> Vectors:
        found = self._fragment.take(rows.tolist(), columns=["vector"])["vector"].combine_chunks()
        read: Vectors = found.flatten().to_numpy().reshape(-1, self._width)
        return read
