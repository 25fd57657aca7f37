"""Codes of one bit a component, in an index of FAISS, and the file that they are kept in.

All components of a vector are coded, or the first of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin import FdakitError, StoredVectors, atomic_file, read_bytes

from ._rotation import Rotation

KIND = "RaBitQfs"
MAGIC = b"fdakit codes 1"
SAMPLE = 8192  # rows whose mean is the centre of the codes
PROOFS = 64  # rows whose vectors a file is compared with
_DIGEST = 32  # hexadecimal digits
_OTHER_KIND = "of another kind or version"


class UnusableCodesError(Exception):
    """A file that holds no codes of this table: why, in words."""


@dataclass
class Codes:
    """Codes of rows in the order in which they came; `ids (m,)` are those rows.

    `built` is how many rows the table had when the centre was taken, `counts` how many rows are to be scored exactly
    for 10 and for 100 results, 0 until they are measured, and `proofs` holds checksums of the vectors of a few ids.
    `fresh` codes have no file yet.
    """

    index: Any
    rotation: Rotation
    ids: NDArray[np.int64]
    built: int
    proofs: dict[int, int]
    counts: tuple[int, int] = (0, 0)
    fresh: bool = False

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32], *, threads: int) -> None:
        """Append rows."""
        with omp_threads(threads):
            self.index.add(self.rotation(vectors[:, : self.index.d]))
        self.ids = np.concatenate([self.ids, ids])

    def nearest(self, queries: NDArray[np.float32], count: int, *, threads: int) -> NDArray[np.int64]:
        """Return places `(q, count)` of the rows whose codes are nearest, best first."""
        with omp_threads(min(threads, len(queries))):
            _, places = self.index.search(self.rotation(queries[:, : self.index.d]), count)
        return np.asarray(places, np.int64)

    def refuse_others(self, vectors: StoredVectors, positions: NDArray[np.int64]) -> None:
        """Raise `UnusableCodesError` unless the vectors that are known by their checksums are those of the table.

        `positions (m,)` are those of the rows, -1 for rows that are gone.
        """
        places = [
            place for place, row in enumerate(self.ids.tolist()) if row in self.proofs and positions[place] >= 0
        ]
        if not places:
            raise UnusableCodesError("of other rows than the table's")
        for place, row in zip(places, vectors.gather(positions[places]), strict=True):
            if crc32(row.tobytes()) != self.proofs[int(self.ids[place])]:
                raise UnusableCodesError("of other vectors than the table's")


def new_codes(vectors: StoredVectors, dims: int) -> Codes:
    """Return codes of the first `dims` components that hold no row yet, centred on the mean of some rows."""
    import faiss

    count = len(vectors.ids)
    sample = vectors.gather(np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.int64))
    rotation = Rotation(dims)
    index = faiss.index_factory(dims, KIND, faiss.METRIC_INNER_PRODUCT)
    index.train(rotation(sample[:, :dims]))
    places = np.unique(np.linspace(0, count - 1, min(count, PROOFS)).astype(np.int64))
    known = zip(vectors.ids[places].tolist(), vectors.gather(places), strict=True)
    proofs = {row: crc32(vector.tobytes()) for row, vector in known}
    return Codes(index, rotation, np.zeros(0, np.int64), count, proofs, fresh=True)


@contextmanager
def omp_threads(count: int) -> Iterator[None]:
    """Have FAISS use so many threads, for the calling thread and no longer than the block."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(max(count, 1))
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def write_codes(path: Path, codes: Codes, *, version: int) -> None:
    """Write a file: a line with its checksum, a line of JSON, the ids, the index. Raises `OSError`.

    The version of the table and that of FAISS are there for whoever looks into it.
    """
    import faiss

    about = {
        "version": version,
        "dims": codes.index.d,
        "rows": len(codes.ids),
        "built": codes.built,
        "counts": codes.counts,
        "proofs": list(codes.proofs.items()),
        "faiss": faiss.__version__,
    }
    parts = (
        json.dumps(about).encode() + b"\n",
        codes.ids.astype("<i8").tobytes(),
        faiss.serialize_index(codes.index).tobytes(),
    )
    digest = blake2b(digest_size=_DIGEST // 2)
    for part in parts:
        digest.update(part)
    with atomic_file(path) as unfinished, unfinished.open("wb") as file:
        file.write(MAGIC + b" " + digest.hexdigest().encode() + b"\n")
        for part in parts:
            file.write(part)
    codes.fresh = False


def read_codes(path: Path, *, dims: int) -> Codes | None:
    """Return the codes of a file; None if there is none. Raises `UnusableCodesError` if it is of no use."""
    try:
        content = memoryview(read_bytes(path, limit=max(path.stat().st_size, 1)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, FdakitError) as fault:
        raise UnusableCodesError(f"not readable ({fault})") from fault
    start = len(MAGIC) + _DIGEST + 2
    if bytes(content[: len(MAGIC)]) != MAGIC:
        raise UnusableCodesError(_OTHER_KIND)
    digest = blake2b(content[start:], digest_size=_DIGEST // 2).hexdigest()
    if bytes(content[len(MAGIC) + 1 : start - 1]) != digest.encode():
        raise UnusableCodesError("damaged")
    try:
        return _parsed(content[start:], dims)
    except (KeyError, IndexError, TypeError, ValueError) as fault:
        raise UnusableCodesError(_OTHER_KIND) from fault


def _parsed(content: memoryview, dims: int) -> Codes:
    import faiss

    line, _, _ = bytes(content[: 1 << 16]).partition(b"\n")
    about = json.loads(line)
    if about["dims"] != dims:
        raise UnusableCodesError(f"of {about['dims']} components, not {dims}")
    start = len(line) + 1
    ids = np.frombuffer(content, "<i8", about["rows"], start).astype(np.int64)
    try:
        index = faiss.deserialize_index(np.frombuffer(content, np.uint8, offset=start + ids.nbytes))
    except RuntimeError as fault:
        raise UnusableCodesError(f"of FAISS {about['faiss']}, which {faiss.__version__} cannot read") from fault
    counts = (about["counts"][0], about["counts"][1])
    return Codes(index, Rotation(dims), ids, about["built"], dict(about["proofs"]), counts)
