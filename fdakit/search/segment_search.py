"""The search of one version of a table: nearest segments, joined to moments, with what is shown of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin.vector_stores import VectorStore

from .filter_sql import where_sql
from .found_moments import FoundMoment, copy_distance, distinct
from .moments import Hit, Moment, find_moments, joining_score
from .query_vectors import Asked, AskedText
from .table.index_table import TABLE, IndexTable
from .table.stored_vectors import TableVectors
from .unusual import drawn_references, unlikeness

if TYPE_CHECKING:
    from fdakit.inference.loaded_retriever import LoadedRetriever

Vectors = NDArray[np.float32]
Positions = NDArray[np.int64]
Allowed = NDArray[np.bool_]

_FETCHED = 10  # segments fetched for each moment asked for
_RESCORED = 1000  # segments at least whose several vectors are compared
_SAMPLE = 500  # segments whose mean distance is the usual one
_PLACE = ("path", "start", "end")
_SHOWN = ("coverage", "duration", "modified", "thumbnail")


class SegmentSearch:
    """Searches the vectors of a table by a vector store; `positions` count its indexed segments."""

    def __init__(self, table: IndexTable) -> None:
        self._table = table
        self.vectors = TableVectors(table.dataset, table.folder / TABLE, width=table.info.model.width)

    def allowed(self, where: str) -> Allowed | None:
        """Return which segments fit a condition `(n,)`; None without one. Raises `FdakitError` if it is wrong."""
        if not where.strip():
            return None
        found = self._table.rows(["id"], where=f"status = 'indexed' AND ({where_sql(where)})")
        return np.isin(self.vectors.ids, found["id"].to_numpy())

    def best(
        self, asked: Asked, k: int, allowed: Allowed | None, *, retriever: LoadedRetriever, store: VectorStore
    ) -> list[FoundMoment]:
        """Return the `k` best moments; more and more segments are fetched until they are whole, or all are."""
        count = len(self.vectors) if allowed is None else int(allowed.sum())
        if not count:
            return []
        vector = asked.vector(retriever)
        several = asked if self._table.info.model.several and isinstance(asked, AskedText) else None
        fetched = min(count, max(k * _FETCHED, _RESCORED if several else 0))
        while True:
            scores, positions = _nearest(store, vector, fetched, allowed)
            if several is not None:
                scores, positions = self._rescored(several, positions, retriever)
            moments = self._moments(scores, positions)
            whole = len(moments) > k and joining_score(moments[k - 1].score) >= scores[-1]
            if fetched >= count or whole:
                peaks = self.vectors.gather(np.array([one.peak.row for one in moments]))
                chosen = distinct(moments, peaks, self._copy_distance)
                if len(chosen) >= k or fetched >= count:
                    return [self._shown(moment, copies) for moment, copies in chosen[:k]]
            fetched = min(count, fetched * 4)

    def unusual(self, k: int, allowed: Allowed | None) -> list[FoundMoment]:
        """Return the `k` moments that are least like the other videos, most unlike first."""
        chosen = np.arange(len(self.vectors)) if allowed is None else np.flatnonzero(allowed)
        if not len(chosen):
            return []
        paths = self._rows(np.arange(len(self.vectors)), ["path"])["path"]
        videos = np.unique(np.array(paths, object).astype(str), return_inverse=True)[1].astype(np.int64)
        drawn = drawn_references(len(self.vectors))
        scores = unlikeness(self.vectors.gather(chosen), videos[chosen], self.vectors.gather(drawn), videos[drawn])
        order = np.argsort(-scores, kind="stable")
        return [self._shown(moment, ()) for moment in self._moments(scores[order], chosen[order])[:k]]

    def _rescored(
        self, asked: AskedText, positions: Positions, retriever: LoadedRetriever
    ) -> tuple[Vectors, Positions]:
        """Return what the matcher makes of all vectors of segments, best first."""
        held = [np.asarray(one, np.float32) for one in self._rows(positions, ["vectors"])["vectors"]]
        width = self._table.info.model.width
        scores = asked.scores(retriever, [one.reshape(-1, width) for one in held])
        order = np.lexsort((positions, -scores))
        return scores[order], positions[order]

    @cached_property
    def _copy_distance(self) -> float:
        count = len(self.vectors)
        drawn = np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).astype(np.int64))
        return copy_distance(self.vectors.gather(drawn))

    def _moments(self, scores: Vectors, positions: Positions) -> list[Moment]:
        rows = self._rows(positions, _PLACE)
        found = zip(*(rows[name] for name in _PLACE), scores.tolist(), positions.tolist(), strict=True)
        return find_moments(Hit(path, start, end, score, row) for path, start, end, score, row in found)

    def _shown(self, moment: Moment, copies: Sequence[str]) -> FoundMoment:
        peak = moment.peak
        row = {name: values[0] for name, values in self._rows(np.array([peak.row]), _SHOWN).items()}
        return FoundMoment(
            path=Path(moment.video),
            start=moment.start,
            end=moment.end,
            score=moment.score,
            peak=(peak.start, peak.end),
            coverage=row["coverage"],
            duration=row["duration"],
            modified=row["modified"] / 1e9,
            thumbnail=row["thumbnail"],
            copies=tuple(map(Path, copies)),
        )

    def _rows(self, positions: Positions, columns: Iterable[str]) -> dict[str, list[Any]]:
        """Return columns of the rows at positions, in their order."""
        named = list(columns)
        order = np.argsort(positions, kind="stable")
        found = self._table.take(self.vectors.offsets[positions[order]], named)
        back = np.argsort(order, kind="stable")
        held = {name: found[name].to_pylist() for name in named}
        return {name: [values[place] for place in back] for name, values in held.items()}


def _nearest(store: VectorStore, vector: Vectors, count: int, allowed: Allowed | None) -> tuple[Vectors, Positions]:
    scores, positions = store.search(vector[None], count, allowed=allowed)
    found = positions[0] >= 0
    return scores[0][found], positions[0][found]
