"""Lance's own indexes over a table of the vectors: partitions with codes, and with graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .synthetic_vectors import MappedVectors

Kind = tuple[str, tuple[Mapping[str, int], ...]]
IVF_PQ: Kind = ("IVF_PQ", ({"nprobes": 16, "refine_factor": 10}, {"nprobes": 64, "refine_factor": 20}))
IVF_HNSW_SQ: Kind = ("IVF_HNSW_SQ", ({"nprobes": 16, "refine_factor": 5}, {"nprobes": 64, "refine_factor": 10}))
_TABLE = "table.lance"


def build_lance(kind: str, vectors: MappedVectors, folder: Path) -> Callable[[], None]:
    """Return what writes a table of ids and vectors, and an index of it."""
    import lance

    return lambda: _write_table(lance, kind, vectors, folder)


def _write_table(lance: Any, kind: str, vectors: MappedVectors, folder: Path) -> None:
    import pyarrow

    schema = pyarrow.schema(
        [("id", pyarrow.int64()), ("vector", pyarrow.list_(pyarrow.float32(), vectors.width))],
    )
    path = str(folder / _TABLE)
    table = lance.write_dataset(pyarrow.RecordBatchReader.from_batches(schema, _batches(vectors, schema)), path)
    more = {"num_sub_vectors": _sub_vectors(vectors.width)} if kind == "IVF_PQ" else {}
    table.create_index("vector", kind, metric="dot", **more)


def _batches(vectors: MappedVectors, schema: Any) -> Iterator[Any]:
    import pyarrow

    for first, rows in vectors.chunks():
        flat = pyarrow.array(np.ascontiguousarray(rows).reshape(-1))
        columns = [
            pyarrow.array(np.arange(first, first + len(rows))),
            pyarrow.FixedSizeListArray.from_arrays(flat, vectors.width),
        ]
        yield pyarrow.record_batch(columns, schema=schema)


def _sub_vectors(width: int) -> int:
    """Return in how many parts a vector is coded: of eight components, where they can be."""
    return next((width // size for size in (8, 4, 2) if width % size == 0), width)


def open_lance(
    vectors: MappedVectors, folder: Path, setting: Mapping[str, int]
) -> Callable[[NDArray[np.float32], int], NDArray[np.int64]]:
    """Open the table; its index is loaded by the first search."""
    import lance

    table = lance.dataset(str(folder / _TABLE))

    def search(query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        near = {"column": "vector", "q": query, "k": k, "metric": "dot", **setting}
        found = table.to_table(columns=["id", "_distance"], nearest=near)
        return np.asarray(found["id"].to_numpy())

    return search
