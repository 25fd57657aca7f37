"""Vectors in memory, as an index hands them to a vector store, and queries to search them with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ExampleVectors:
    """One version of a table in memory: `ids (n,)` int64 and `rows (n, d)` float32 of unit length.

    `part` is the most rows that `chunks` yields at once.
    """

    ids: NDArray[np.int64]
    rows: NDArray[np.float32]
    version: int = 1
    part: int = 1000

    @property
    def width(self) -> int:
        """Width of the vectors."""
        return int(self.rows.shape[1])

    def gather(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors at positions, in that order."""
        return self.rows[positions]

    def chunks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the vectors in parts."""
        for first in range(0, len(self.rows), self.part):
            yield first, self.rows[first : first + self.part]

    def kept(self, positions: NDArray[np.int64]) -> ExampleVectors:
        """Return the next version, of the rows at positions, in that order."""
        return replace(self, ids=self.ids[positions], rows=self.rows[positions], version=self.version + 1)


def example_vectors(count: int, width: int = 32, *, seed: int = 0) -> ExampleVectors:
    """Return seeded vectors that lie about one direction in clusters, as those of videos do."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(count // 20, 1), width))
    rows = centres[rng.integers(0, len(centres), count)] + 0.6 * rng.standard_normal((count, width))
    rows += np.sqrt(width) * unit(rng.standard_normal((1, width)))
    ids = rng.permutation(4 * count).astype(np.int64)[:count]
    return ExampleVectors(ids, unit(rows))


def example_queries(vectors: ExampleVectors, count: int, *, noise: float = 0.3, seed: int = 1) -> NDArray[np.float32]:
    """Return seeded unit vectors `(count, d)`, each near a row and off it by `noise` times its length."""
    rng = np.random.default_rng(seed)
    rows = vectors.rows[rng.integers(0, len(vectors.rows), count)]
    return unit(rows + noise * unit(rng.standard_normal(rows.shape)))


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return rows of unit length."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
