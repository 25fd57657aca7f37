"""exact: every row is compared with the query, read from the files of the table; nothing is kept beside them.

What it finds is what sorting all rows by `fdakit.plugin.inner_products` gives, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin import (
    Component,
    Found,
    Options,
    Progress,
    StoreContext,
    StoredVectors,
    VectorStore,
    best_rows,
    hookimpl,
)

from ._scan import near_rows


class ExactOptions(Options):
    """Nothing to choose."""


class Exact:
    """A scan of all vectors in float32, whose best rows are scored again so that no other row matters to a score."""

    exact = True

    def __init__(self) -> None:
        self._vectors: StoredVectors | None = None

    def sync(self, vectors: StoredVectors, *, progress: Progress) -> None:
        """Take the vectors; nothing is read yet."""
        self._vectors = vectors

    def search(self, queries: NDArray[np.float32], k: int, *, allowed: NDArray[np.bool_] | None = None) -> Found:
        """Return the k rows of each query with the largest inner products."""
        assert self._vectors is not None, "search follows sync"
        queries = np.asarray(queries, np.float32)
        return best_rows(self._vectors, queries, near_rows(self._vectors, queries, k, allowed), k)


def build(options: ExactOptions, context: StoreContext) -> VectorStore:
    """Return the store; it writes no files."""
    return Exact()


EXACT = Component(
    "exact",
    "a scan of all vectors; nothing to build, nothing missed",
    ExactOptions,
    build,
    when="the index has up to some 100,000 segments, or nothing may be missed",
    declares={"exact": True},
)


@hookimpl
def fdakit_vector_stores() -> Iterable[Component[Any, VectorStore, StoreContext]]:
    """Offer `exact`."""
    return (EXACT,)
