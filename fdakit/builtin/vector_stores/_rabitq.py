"""The store `rabitq` itself: codes in line with a table, and candidates that are scored exactly."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from math import log10

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin import Found, Progress, StoreContext, StoredVectors, best_rows

from ._codes import Codes, UnusableCodesError, new_codes, read_codes, write_codes
from ._rescoring_counts import MOST, measure_counts
from ._scan import near_rows

FILE = "rabitq.codes"
BATCH = 1 << 14  # rows coded at once
GROUP = 64  # queries of which candidates are held at once
UNSAVED, UNSAVED_SHARE = 1024, 0.01  # new rows, or share of new rows, with which the file is written again


class Rabitq:
    """Codes of all rows, scanned for each query; the first of their order are scored exactly."""

    exact = False

    def __init__(self, context: StoreContext, *, rescore: int | None, dims: int) -> None:
        self._path = context.folder / FILE
        self._dims, self._threads, self._rescore = dims, context.threads, rescore
        self._codes: Codes | None = None
        self._vectors: StoredVectors | None = None
        self._positions = np.zeros(0, np.int64)  # of the rows coded; -1: gone
        self._alive = np.zeros(0, np.bool_)  # which of them are not gone
        self._unsaved = 0  # rows coded since the file was written
        self._remarks: tuple[str, ...] = ()

    @property
    def remarks(self) -> Sequence[str]:
        """What happened to the file in the last `sync`."""
        return self._remarks

    def sync(self, vectors: StoredVectors, *, progress: Progress) -> None:
        """Code rows that are new, forget those that are gone, or code all anew.

        All are where more than half of the codes are of rows that are gone, or where the table has doubled, as the
        codes are centred on the mean of its vectors.
        """
        self._remarks, self._vectors = (), vectors
        codes, positions = self._known(vectors)
        self._codes = None  # if this is interrupted, the file counts
        if (
            codes is None
            or 2 * np.count_nonzero(positions < 0) > len(positions)
            or len(vectors.ids) > 2 * codes.built
        ):
            codes, positions = new_codes(vectors, self._dims) if len(vectors.ids) else None, np.zeros(0, np.int64)
        if codes is not None:
            positions = self._extended(codes, vectors, positions, progress)
            if self._rescore is None and not any(codes.counts):
                codes.counts, _ = self._measured(codes, vectors, positions, progress)
            if self._unsaved > max(UNSAVED, UNSAVED_SHARE * len(positions)) or codes.fresh:
                self._save(codes, vectors.version)
        self._codes, self._positions, self._alive = codes, positions, positions >= 0

    def _known(self, vectors: StoredVectors) -> tuple[Codes | None, NDArray[np.int64]]:
        """Return the codes in memory, or those of the file, and the positions of their rows."""
        codes, in_memory = self._codes, self._codes is not None
        try:
            if codes is None:
                codes = read_codes(self._path, dims=self._dims)
            if codes is not None:
                positions = _positions(codes.ids, vectors.ids)
                codes.refuse_others(vectors, positions)
                return codes, positions
        except UnusableCodesError as fault:
            self._remarks = () if in_memory else (f"{self._path}: {fault}; made anew",)
        return None, np.zeros(0, np.int64)

    def _extended(
        self, codes: Codes, vectors: StoredVectors, positions: NDArray[np.int64], progress: Progress
    ) -> NDArray[np.int64]:
        """Code the rows that are not among those at `positions`; return the positions of all rows coded."""
        new = np.ones(len(vectors.ids), np.bool_)
        new[positions[positions >= 0]] = False
        count, done = int(np.count_nonzero(new)), 0
        for first, rows in vectors.chunks() if count else ():
            for start in range(0, len(rows), BATCH):
                part = rows[start : start + BATCH]
                places = first + start + np.flatnonzero(new[first + start : first + start + len(part)])
                if len(places):
                    some = part if len(places) == len(part) else part[places - first - start]
                    codes.add(vectors.ids[places], some, threads=self._threads)
                    done += len(places)
                    progress("coding vectors", done, count)
        self._unsaved += count
        return np.concatenate([positions, np.flatnonzero(new)])

    def _save(self, codes: Codes, version: int) -> None:
        try:
            write_codes(self._path, codes, version=version)
        except OSError as fault:
            reason = fault.strerror or str(fault)
            lost = f"{self._path}: cannot be written ({reason}), so vectors are coded again at the next start"
            self._remarks = (*self._remarks, lost)
        self._unsaved = 0

    def tune(self, *, progress: Progress) -> Mapping[str, float]:
        """Measure how many rows must be scored for 10 and for 100 results, and score so many from now on."""
        if self._codes is None or self._vectors is None:
            return {}
        counts, recall = self._measured(self._codes, self._vectors, self._positions, progress)
        if self._rescore is None:
            self._codes.counts = counts
            self._save(self._codes, self._vectors.version)
        return {"rows scored for 10": counts[0], "rows scored for 100": counts[1], **recall}

    def _measured(
        self, codes: Codes, vectors: StoredVectors, positions: NDArray[np.int64], progress: Progress
    ) -> tuple[tuple[int, int], dict[str, float]]:
        return measure_counts(
            codes, vectors, positions, fixed=self._rescore, threads=self._threads, progress=progress
        )

    def search(self, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.bool_] | None = None) -> Found:
        """Return the best of the rows whose codes are nearest."""
        assert self._vectors is not None, "search follows sync"
        queries = np.asarray(queries, np.float32)
        scores, positions = np.zeros((len(queries), k), np.float32), np.zeros((len(queries), k), np.int64)
        for start in range(0, len(queries), GROUP):
            own = slice(start, start + GROUP)
            some = self._candidates(self._vectors, queries[own], k, allowed)
            scores[own], positions[own] = best_rows(self._vectors, queries[own], some, k)
        return scores, positions

    def _candidates(
        self, vectors: StoredVectors, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None
    ) -> list[NDArray[np.int64]]:
        """Return positions for each query: as many as are to be scored, or all that are allowed if they are few."""
        codes, positions, passing = self._codes, self._positions, self._alive
        if allowed is not None:
            passing = passing.copy()
            passing[passing] = allowed[positions[passing]]
        total, left, count = len(passing), int(np.count_nonzero(passing)), self._count(k)
        if codes is None or left <= 2 * count:
            return [positions[passing]] * len(queries)
        found: dict[int, NDArray[np.int64]] = {}
        fetched = count if left == total else int(1.1 * count * total / left) + 64
        while fetched <= max(total // 4, MOST) and (open_ := _others(found, len(queries))):
            nearest = codes.nearest(queries[open_], min(fetched, total), threads=self._threads)
            for place, near in zip(open_, nearest, strict=True):
                fit = positions[near[passing[near]]][:count]
                if len(fit) == count:
                    found[place] = fit
            fetched *= 4
        if open_ := _others(found, len(queries)):  # what is allowed lies far from these queries
            inside = np.zeros(len(vectors.ids), np.bool_)
            inside[positions[passing]] = True
            found |= zip(open_, near_rows(vectors, queries[open_], k, inside), strict=True)
        return [found[place] for place in range(len(queries))]

    def _count(self, k: int) -> int:
        """Return how many rows are scored for k results: between 10 and 100 as a power of k."""
        if self._rescore is not None or self._codes is None:
            return max(self._rescore or 0, k)
        ten, hundred = self._codes.counts
        if k > 100:
            return max(hundred * k // 100, k)
        return max(int(ten * (k / 10) ** log10(hundred / ten)) if k > 10 else ten, k)


def _others(found: Container[int], count: int) -> list[int]:
    return [place for place in range(count) if place not in found]


def _positions(known: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position among `ids` of each id known, -1 where it is gone."""
    if len(known) <= len(ids) and np.array_equal(known, ids[: len(known)]):
        return np.arange(len(known))
    if not len(ids):
        return np.full(len(known), -1, np.int64)
    order = np.argsort(ids)
    places = np.minimum(np.searchsorted(ids, known, sorter=order), len(ids) - 1)
    return np.where(ids[order[places]] == known, order[places], -1)
