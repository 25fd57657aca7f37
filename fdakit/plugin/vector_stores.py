"""What a vector store promises an index, and what an index hands to it.

Nothing here imports torch: a plugin may import this module for free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .contracts import Progress

Found = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Scores `(q, k)` and positions `(q, k)` of what was found, best first: -inf and -1 where a query has fewer."""


@dataclass(frozen=True)
class StoreContext:
    """What a vector store may need to build itself.

    `folder` is its own, for files that can be made anew from the table; it may not exist yet, and what lies in it may
    be damaged, or of another table. `width` is that of the vectors. `threads` is how many it may use at once.
    """

    folder: Path
    width: int
    threads: int = 1


class StoredVectors(Protocol):
    """The vectors of an index at one version of its table: rows of unit length, float32, read from its files.

    A position counts the rows from 0, in the order of the table. An id belongs to one vector for ever: rows come and
    go from version to version and change their positions, and their ids and vectors stay.
    """

    @property
    def version(self) -> int:
        """Version of the table: no proof of its rows, as a number may come again after a damaged version."""
        ...

    @property
    def ids(self) -> NDArray[np.int64]:
        """Id of each row `(n,)`, none twice; not to be written to."""
        ...

    @property
    def width(self) -> int:
        """Width d of the vectors."""
        ...

    def gather(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors `(m, d)` at positions `(m,)`, in that order."""
        ...

    def chunks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield all rows in order, in parts of any length: the position of the first, and vectors `(c, d)`.

        The vectors may be those of a file itself, so they are not to be written to.
        """
        ...


class VectorStore(Protocol):
    """Finds the vectors of an index that have the largest inner product with a query.

    What it keeps is derived from the table, so files in its folder are never trusted: one that is damaged, or of
    another table, is made anew. `exact`: it finds the k best, always. Scores are inner products of the
    vectors of the table, not of what a store made of them: `best_rows` computes them, and an exact store gives those
    of `inner_products` to the last bit. Equal scores come in the order of their positions.
    """

    exact: bool

    def sync(self, vectors: StoredVectors, *, progress: Progress) -> None:
        """Bring what is kept in line with a version of the table, and search these vectors from now on.

        Rows that are new are added, rows that are gone are found no more. The vectors may be few or none.
        """
        ...

    def search(self, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.bool_] | None = None) -> Found:
        """Return the k nearest rows of each query, of those that are `allowed (n,)`, by position.

        `queries (q, d)` have unit length. Several threads may call at once, but none during `sync`.
        """
        ...


@runtime_checkable
class RemarksOnSync(Protocol):
    """A vector store that says what its user should know of the last `sync`, such as a damaged file made anew."""

    @property
    def remarks(self) -> Sequence[str]:
        """One sentence each; none where all went as usual."""
        ...


@runtime_checkable
class TunesItself(Protocol):
    """A vector store with settings that it chooses by what it finds on the vectors themselves."""

    def tune(self, *, progress: Progress) -> Mapping[str, float]:
        """Measure and choose anew on the vectors of the last `sync`; return what was chosen and measured, by name."""
        ...
