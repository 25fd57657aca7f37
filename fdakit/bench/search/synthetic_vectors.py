"""Vectors that lie as those of videos do, queries like texts and like example clips, and what is nearest to each.

Vectors are clusters of unequal size about one direction (the cone that embeddings of a model share), in a space whose
directions carry unequal variance: an effective dimension of about 50 of 512. A query like an example clip is a vector
with some noise of the same spread; one like a text has more of it, and an offset that is the same for all texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.random_keys import keyed_rng
from fdakit.system.atomic_files import atomic_file, write_text

Floats = NDArray[np.float32]
KINDS = {"text-like": (0.525, 0.8), "example-like": (0.245, 0.0)}  # length of the noise, of the offset
CLUSTERS = 20_000  # at most, of five vectors or more on average
WITHIN = 0.55  # spread within a cluster, of that between clusters
DECAY = 0.45  # of the spread with the number of a direction
BLOCK = 1 << 14  # rows made, or compared, at once
_ABOUT = "about.json"


@dataclass(frozen=True)
class Shape:
    """What is made: `rows` vectors of `width`, `queries` of each kind, and the `k` nearest to each."""

    rows: int
    width: int
    queries: int
    k: int


@dataclass(frozen=True)
class MappedVectors:
    """The vectors in a file, as an index hands them to a vector store."""

    rows: Floats
    version: int = 1

    @property
    def ids(self) -> NDArray[np.int64]:
        """Ids of the vectors: their positions."""
        return np.arange(len(self.rows))

    @property
    def width(self) -> int:
        """Width of the vectors."""
        return int(self.rows.shape[1])

    def gather(self, positions: NDArray[np.int64]) -> Floats:
        """Return the vectors at positions."""
        return np.asarray(self.rows[positions])

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """Yield the vectors in parts, of the file itself."""
        for first in range(0, len(self.rows), BLOCK):
            yield first, self.rows[first : first + BLOCK]


@dataclass(frozen=True)
class Trial:
    """Vectors, queries `(2 q, d)`, those of the first kind first, and the positions nearest to each `(2 q, k)`."""

    vectors: MappedVectors
    queries: Floats
    nearest: NDArray[np.int64]


def read_trial(folder: Path) -> Trial:
    """Return what `write_trial` wrote; the vectors stay in their file."""
    rows = np.load(folder / "vectors.npy", mmap_mode="r")
    return Trial(MappedVectors(rows), np.load(folder / "queries.npy"), np.load(folder / "nearest.npy"))


def write_trial(folder: Path, shape: Shape, *, progress: Callable[[str, int, int], None]) -> Trial:
    """Make vectors, queries and what is nearest, in a folder; what lies there of this shape is kept.

    Raises `OSError`.
    """
    about = folder / _ABOUT
    if not (about.is_file() and about.read_text(encoding="utf-8") == json.dumps(asdict(shape))):
        about.unlink(missing_ok=True)
        _write_vectors(folder / "vectors.npy", shape, progress=progress)
        rows = np.load(folder / "vectors.npy", mmap_mode="r")
        queries = make_queries(rows, shape)
        _write_array(folder / "queries.npy", queries)
        _write_array(folder / "nearest.npy", nearest(rows, queries, shape.k))
        write_text(about, json.dumps(asdict(shape)))
    return read_trial(folder)


def _write_array(path: Path, array: NDArray[Any]) -> None:
    with atomic_file(path) as part, part.open("wb") as file:
        np.save(file, array)


def _write_vectors(path: Path, shape: Shape, *, progress: Callable[[str, int, int], None]) -> None:
    rng, space = keyed_rng("bench search", "vectors"), _Space(shape.width)
    clusters = max(min(CLUSTERS, shape.rows // 5), 1)
    centres = space.draw(rng, clusters)
    weights = rng.lognormal(0, 1, clusters)
    labels = rng.choice(clusters, shape.rows, p=weights / weights.sum())
    with atomic_file(path) as part:
        rows = np.lib.format.open_memmap(part, "w+", np.float32, (shape.rows, shape.width))
        for first in range(0, shape.rows, BLOCK):
            own = labels[first : first + BLOCK]
            rows[first : first + BLOCK] = _unit(centres[own] + WITHIN * space.draw(rng, len(own)) + space.cone)
            progress("made vector", first + len(own), shape.rows)
        rows.flush()


def make_queries(rows: Floats, shape: Shape) -> Floats:
    """Return queries of each kind, one kind after the other."""
    rng, space = keyed_rng("bench search", "queries"), _Space(shape.width)
    offset = _unit(rng.standard_normal((1, shape.width), np.float32))
    found = []
    for noise, gap in KINDS.values():
        own = rows[rng.integers(0, shape.rows, shape.queries)]
        found.append(_unit(own + noise * space.draw(rng, shape.queries) + gap * offset))
    return np.concatenate(found)


def nearest(rows: Floats, queries: Floats, k: int) -> NDArray[np.int64]:
    """Return the positions of the k rows with the largest inner products `(q, k)`, found by comparing all."""
    scores, places = np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
    for first in range(0, len(rows), BLOCK):
        block = queries @ rows[first : first + BLOCK].T
        scores = np.concatenate([scores, block], axis=1)
        places = np.concatenate([places, np.broadcast_to(np.arange(first, first + block.shape[1]), block.shape)], 1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k] if scores.shape[1] <= k else _largest(scores, k)
        scores, places = np.take_along_axis(scores, best, 1), np.take_along_axis(places, best, 1)
    return places


def _largest(scores: Floats, k: int) -> NDArray[np.int64]:
    some = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    return np.take_along_axis(some, np.argsort(-np.take_along_axis(scores, some, 1), axis=1, kind="stable"), 1)


class _Space:
    """Directions of unequal spread, turned so that no component of a vector is special, and the cone's axis."""

    def __init__(self, width: int) -> None:
        rng = keyed_rng("bench search", "space", width)
        spread = (1 + np.arange(width)) ** -DECAY
        turned, _ = np.linalg.qr(rng.standard_normal((width, width)))
        self._axes = np.asarray((spread / np.linalg.norm(spread))[:, None] * turned, np.float32)
        self.cone = _unit(rng.standard_normal((1, width), np.float32))

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Return vectors of length 1 on average."""
        return np.asarray(rng.standard_normal((count, len(self._axes)), np.float32) @ self._axes)


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
