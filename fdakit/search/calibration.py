"""The line below which an index holds nothing close to a text: what captions score that are of no video in it.

A model gives every text a best video, and cosines of one model mean nothing for another. So captions drawn at random
are asked of the index, and the line is what few of their best scores are above.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from itertools import product
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import FdakitError
from fdakit.plugin.vector_stores import StoredVectors
from fdakit.random_keys import keyed_rng
from fdakit.system.atomic_files import write_bytes, write_text

CAPTIONS = 200
SHARE = 0.95
"""The share of random captions whose best score is below the line."""

_WHO = (
    *("a man", "a woman", "a child", "two people", "a crowd", "a dog", "a cat", "a horse", "a bird", "a fish"),
    *("a car", "a train", "a robot", "a chef", "a dancer", "a football player"),
)
_DOES = (
    *("is running", "is talking", "is cutting something", "is falling down", "is playing music", "is swimming"),
    *("is opening a door", "is climbing", "is painting", "is eating", "is turning around", "is being repaired"),
    *("is jumping", "is sleeping", "is waving", "is carrying a box"),
)
_WHERE = (
    *("in a kitchen", "on a beach", "in the snow", "on a street at night", "in an office", "in a forest"),
    *("on a stage", "under water", "in a stadium", "in front of a house", "on a mountain", "in a cartoon"),
)
_FILE, _VECTORS = "calibration.json", "calibration.npz"

Encode = Callable[[list[str]], NDArray[np.float32]]
"""Texts -> their vectors `(q, d)`."""


def random_captions(count: int = CAPTIONS) -> list[str]:
    """Return distinct captions of everyday things, the same ones each time."""
    every = [" ".join(words) for words in product(_WHO, _DOES, _WHERE)]
    rng = keyed_rng(0, "captions that calibrate an index")
    return [every[number] for number in rng.choice(len(every), count, replace=False)]


def best_scores(captions: NDArray[np.float32], vectors: StoredVectors) -> NDArray[np.float32]:
    """Return the best inner product of each caption `(q, d)` among all vectors `(q,)`; -inf if there is none."""
    best = np.full(len(captions), -np.inf, np.float32)
    for _, chunk in vectors.chunks():
        best = np.maximum(best, (captions @ chunk.T).max(1))
    return best


def caption_vectors(folder: Path, *, model: str, encode: Encode) -> NDArray[np.float32]:
    """Return the vectors `(q, d)` of the captions, from the cache in `folder` if they are of the same model."""
    path = folder / _VECTORS
    try:
        with np.load(path, allow_pickle=False) as held:
            if str(held["model"]) == model:
                found: NDArray[np.float32] = held["vectors"]
                return found
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):  # absent, or not this file: it is made anew
        pass
    vectors = encode(random_captions())
    written = BytesIO()
    np.savez(written, model=np.array(model), vectors=vectors)
    with suppress(FdakitError):  # an index that cannot be written to is searched all the same
        write_bytes(path, written.getvalue())
    return vectors


def calibrated_line(folder: Path, *, key: str, best: Callable[[], NDArray[np.float32]]) -> float:
    """Return the line, from the cache in `folder` if it is of the same `key`, as version and model."""
    path = folder / _FILE
    known = _read(path)
    if known is not None and known[0] == key:
        return known[1]
    line = float(np.quantile(best(), SHARE))
    with suppress(FdakitError):
        write_text(path, json.dumps({"key": key, "line": line, "captions": CAPTIONS, "share": SHARE}) + "\n")
    return line


def _read(path: Path) -> tuple[str, float] | None:
    try:
        found = json.loads(path.read_text("utf-8"))
        return str(found["key"]), float(found["line"])
    except (OSError, ValueError, KeyError, TypeError):  # absent, or not this file: it is made anew
        return None
