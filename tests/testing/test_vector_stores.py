"""What `check_vector_store` accepts, and what it finds: stores that each break one law."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from helpers.sample_plugins import component

from fdakit.plugin import StoreContext, best_rows
from fdakit.testing import ExampleVectors, check_vector_store, example_queries, example_vectors


class EveryRow:
    """Compares all rows: keeps every law."""

    exact = True

    def __init__(self, context: StoreContext) -> None:
        self.folder = context.folder
        self.vectors = example_vectors(1)

    def sync(self, vectors: ExampleVectors, *, progress: Any) -> None:
        self.vectors = vectors

    def search(self, queries: Any, k: int, *, allowed: Any = None) -> Any:
        count = len(self.vectors.ids)
        rows = np.arange(count) if allowed is None else np.flatnonzero(allowed)
        return best_rows(self.vectors, queries, [rows] * len(queries), k)


class Doubling(EveryRow):
    def search(self, queries: Any, k: int, *, allowed: Any = None) -> Any:
        queries *= 2
        return super().search(queries, k, allowed=allowed)


class Wide(EveryRow):
    def search(self, queries: Any, k: int, *, allowed: Any = None) -> Any:
        scores, positions = super().search(queries, k, allowed=allowed)
        return scores, positions.astype(np.int32)


class Short(EveryRow):
    def search(self, queries: Any, k: int, *, allowed: Any = None) -> Any:
        return super().search(queries, min(k, len(self.vectors.ids)), allowed=allowed)


class Zeros(EveryRow):
    def search(self, queries: Any, k: int, *, allowed: Any = None) -> Any:
        scores, positions = super().search(queries, k, allowed=allowed)
        return np.where(positions < 0, np.float32(0), scores), positions


class Open(EveryRow):
    def search(self, queries: Any, k: int, *, allowed: Any = None) -> Any:
        return super().search(queries, k)


class Product(EveryRow):
    """Scores of one matrix product, as fast as can be and not to the last bit."""

    def search(self, queries: Any, k: int, *, allowed: Any = None) -> Any:
        scores, positions = super().search(queries, k, allowed=allowed)
        found = (
            np.einsum("qd,qkd->qk", queries, self.vectors.gather(positions.clip(0))) if positions.max() >= 0 else 0
        )
        return np.where(positions < 0, scores, found).astype(np.float32), positions


class Latest(EveryRow):
    """Equal scores in the reverse order of the rows."""

    def search(self, queries: Any, k: int, *, allowed: Any = None) -> Any:
        scores, positions = super().search(queries, k, allowed=allowed)
        for some, row in zip(scores, positions, strict=True):
            row[:] = row[np.lexsort((-row, -some))]
        return scores, positions


class Kept(EveryRow):
    """Finds rows that are gone."""

    def sync(self, vectors: ExampleVectors, *, progress: Any) -> None:
        if not 3 < len(vectors.ids) < len(self.vectors.ids):
            self.vectors = vectors


class Trusting(EveryRow):
    """Reads its copy of the vectors back from a file of the same ids, whatever table it was made of."""

    def sync(self, vectors: ExampleVectors, *, progress: Any) -> None:
        path = self.folder / self.name(vectors)
        self.folder.mkdir(exist_ok=True)
        if not path.exists():
            path.write_bytes(vectors.rows.tobytes())
        rows = np.frombuffer(path.read_bytes(), np.float32).reshape(vectors.rows.shape)
        self.vectors = ExampleVectors(vectors.ids, rows)

    def name(self, vectors: ExampleVectors) -> str:
        return f"{vectors.version}-{crc32(vectors.ids.tobytes())}-{vectors.width}"


class Unchecked(Trusting):
    """Knows the file by the vectors that were written to it, and not by what it holds."""

    def name(self, vectors: ExampleVectors) -> str:
        return str(crc32(vectors.rows.tobytes()))


class Halved(EveryRow):
    """Says that it misses nothing, and looks at every second row."""

    def search(self, queries: Any, k: int, *, allowed: Any = None) -> Any:
        inside = np.arange(len(self.vectors.ids)) % 2 == 0
        return super().search(queries, k, allowed=inside if allowed is None else inside & allowed)


class Together(EveryRow):
    """Gives a query of several another row than one alone."""

    def search(self, queries: Any, k: int, *, allowed: Any = None) -> Any:
        scores, positions = super().search(queries, k, allowed=allowed)
        return (scores, positions) if len(queries) == 1 else (scores[:, ::-1], positions[:, ::-1])


class Beyond(EveryRow):
    def sync(self, vectors: ExampleVectors, *, progress: Any) -> None:
        progress("copying", len(vectors.ids) + 1, len(vectors.ids))
        super().sync(vectors, progress=progress)


def offering(store: type[EveryRow]) -> Any:
    return component(build=lambda options, context: store(context))


def test_a_store_that_compares_all_rows_keeps_the_laws() -> None:
    check_vector_store(offering(EveryRow))


@pytest.mark.parametrize(
    ("store", "words"),
    [
        (Doubling, "of 3 rows: search changed what it was given"),
        (Wide, "of no rows: float32 and int32; wanted float32 and int64"),
        (Short, r"of no rows: scores \(3, 0\), positions \(3, 0\); wanted \(3, 10\) of both"),
        (Zeros, "of no rows: found .*; wanted 0 rows, then -1 with the score -inf"),
        (Open, "half of the rows allowed: found .*, of which some are no rows that are allowed"),
        (Product, "scores .*; the inner products are"),
        (Latest, "equal scores not in the rows' order"),
        (Kept, "rows gone: found"),
        (Trusting, "other vectors of the same ids and version: scores"),
        (Unchecked, "its files with bytes changed: "),
        (Halved, "wanted 3 rows"),
        (Together, "of 3 rows: a query finds something else beside others than alone"),
        (Beyond, "progress.* is none; wanted what, done and total"),
    ],
)
def test_a_store_that_breaks_a_law_is_rejected(store: type[EveryRow], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_vector_store(offering(store))


def test_a_store_that_misses_little_may_be_inexact_and_not_call_itself_exact() -> None:
    class Inexact(Halved):
        exact = False

        def search(self, queries: Any, k: int, *, allowed: Any = None) -> Any:
            rows = np.arange(len(self.vectors.ids)) if allowed is None else np.flatnonzero(allowed)
            some = rows if len(rows) < 60 else rows[np.arange(len(rows)) % 5 > 0]
            return best_rows(self.vectors, queries, [some] * len(queries), k)

    with pytest.raises(AssertionError, match=r"found \d\d\.\d% of the nearest rows; wanted 95\.0%"):
        check_vector_store(offering(Inexact))


def test_the_examples_are_unit_vectors_with_ids_of_their_own(tmp_path: Path) -> None:
    vectors = example_vectors(300, 24)
    assert np.allclose(np.linalg.norm(vectors.rows, axis=1), 1, atol=1e-6)
    assert len(np.unique(vectors.ids)) == 300
    assert np.concatenate([rows for _, rows in vectors.chunks()]).shape == (300, 24)
    some = vectors.kept(np.array([5, 2]))
    assert (some.ids.tolist(), some.version) == (vectors.ids[[5, 2]].tolist(), 2)
    queries = example_queries(vectors, 7)
    assert (queries @ vectors.rows.T).max(1).min() > 0.9
