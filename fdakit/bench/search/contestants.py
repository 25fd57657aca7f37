"""Who is timed by `fdakit bench search`: vector stores of fdakit and of plugins, indexes of FAISS and of Lance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fdakit.catalog import load_catalog
from fdakit.errors import FdakitError, nearest
from fdakit.plugin.vector_stores import StoreContext, VectorStore
from fdakit.recipe.labels import labelled_part
from fdakit.system.optional_libraries import library_fault

from .faiss_peers import FLAT, HNSW, IVF, build_faiss, open_faiss
from .lance_peers import IVF_HNSW_SQ, IVF_PQ, build_lance, open_lance
from .synthetic_vectors import MappedVectors

Search = Callable[[NDArray[np.float32], int], NDArray[np.int64]]
"""`search(query (d,), k)` -> positions, best first."""
STORES = ("exact", "rabitq")


@dataclass(frozen=True)
class Contestant:
    """One way to search: `build` gives what writes files into a folder, `open` a search of them, for each setting.

    What `build` gives is timed, so libraries are imported before. `module` is what it needs beside fdakit's own.
    """

    name: str
    build: Callable[[MappedVectors, Path], Callable[[], None]]
    open: Callable[[MappedVectors, Path, Mapping[str, int]], Search]
    settings: tuple[Mapping[str, int], ...] = ({},)
    module: str = ""


PEERS = tuple(
    Contestant(f"faiss {name}", partial(build_faiss, kind), open_faiss, settings, "faiss")
    for name, kind, settings in (FLAT, HNSW, IVF)
) + tuple(
    Contestant(f"lance {kind}", partial(build_lance, kind), open_lance, settings, "lance")
    for kind, settings in (IVF_PQ, IVF_HNSW_SQ)
)


def find_contestants(
    stores: Sequence[str], peers: Sequence[str] | None
) -> tuple[tuple[Contestant, ...], Mapping[str, str]]:
    """Return the stores of these labels (`"NAME KEY=VALUE ..."`) and the peers, and why other peers are absent.

    All peers where `peers` is None. Raises `FdakitError` for a store or a peer that is not known.
    """
    found = [_store(label) for label in stores]
    known = {peer.name: peer for peer in PEERS}
    absent = {}
    for name in known if peers is None else peers:
        if name not in known:
            raise FdakitError(f"bench search: no peer {name!r}; {nearest(name, known)}")
        if fault := library_fault(known[name].module):
            absent[name] = fault
        else:
            found.append(known[name])
    return tuple(found), absent


def _store(label: str) -> Contestant:
    labelled_part("vector_store", label, option="--store", catalog=load_catalog())
    return Contestant(label, partial(_build_store, label), partial(_open_store, label))


def _build_store(label: str, vectors: MappedVectors, folder: Path) -> Callable[[], None]:
    store = _built(label, vectors, folder)
    return lambda: store.sync(vectors, progress=lambda what, done, total: None)


def _open_store(label: str, vectors: MappedVectors, folder: Path, setting: Mapping[str, int]) -> Search:
    store = _built(label, vectors, folder)
    store.sync(vectors, progress=lambda what, done, total: None)
    return lambda query, k: store.search(query[None], k)[1][0]


def _built(label: str, vectors: MappedVectors, folder: Path) -> VectorStore:
    part = labelled_part("vector_store", label, option="--store", catalog=load_catalog())
    store: VectorStore = part.build(StoreContext(folder, vectors.width, threads=1))
    return store
