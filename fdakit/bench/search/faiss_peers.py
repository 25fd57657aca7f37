"""Indexes of FAISS: a scan of all vectors, a graph, and partitions; each keeps the vectors in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .synthetic_vectors import MappedVectors

Kind = tuple[str, str, tuple[Mapping[str, int], ...]]
FLAT: Kind = ("Flat", "Flat", ({},))
HNSW: Kind = ("HNSW", "HNSW32,Flat", ({"efSearch": 64}, {"efSearch": 256}))
IVF: Kind = ("IVF", "IVF{partitions},Flat", ({"nprobe": 16}, {"nprobe": 64}))
SAMPLE = 100_000  # vectors that partitions are made of
_FILE = "index.faiss"


def build_faiss(kind: str, vectors: MappedVectors, folder: Path) -> Callable[[], None]:
    """Return what builds an index by FAISS's word for it and writes it."""
    import faiss

    faiss.omp_set_num_threads(1)
    return lambda: _write_index(faiss, kind, vectors, folder)


def _write_index(faiss: Any, kind: str, vectors: MappedVectors, folder: Path) -> None:
    rows = vectors.rows
    index = faiss.index_factory(
        vectors.width, kind.format(partitions=max(isqrt(len(rows)), 1)), faiss.METRIC_INNER_PRODUCT
    )
    if not index.is_trained:
        places = np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(np.int64)
        index.train(vectors.gather(places))
    for _, block in vectors.chunks():
        index.add(np.ascontiguousarray(block))
    faiss.write_index(index, str(folder / _FILE))


def open_faiss(
    vectors: MappedVectors, folder: Path, setting: Mapping[str, int]
) -> Callable[[NDArray[np.float32], int], NDArray[np.int64]]:
    """Read the index and set how much of it a search looks at."""
    import faiss

    faiss.omp_set_num_threads(1)
    index: Any = faiss.read_index(str(folder / _FILE))
    for name, value in setting.items():
        faiss.ParameterSpace().set_index_parameter(index, name, value)
    return lambda query, k: np.asarray(index.search(query[None], k)[1][0])
