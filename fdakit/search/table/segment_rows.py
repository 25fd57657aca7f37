"""The rows of an index: one for each segment of a video, as columns of Arrow, each row with its checksum."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from fdakit.search.file_inventory import FileState

Status = Literal["indexed", "still", "unreadable"]
LIGHT = (
    *("id", "path", "size", "modified", "fingerprint", "duration", "width", "height", "rate"),
    *("segment", "start", "end", "status", "reason", "coverage"),
)
"""The columns but vectors, thumbnail and checksum."""


@dataclass(frozen=True)
class Segment:
    """A part of a video in seconds from its first frame, and its number in the video."""

    number: int
    start: float
    end: float


@dataclass(frozen=True)
class VideoFacts:
    """What is known of a video file: seconds, pixels of an upright frame, frames a second."""

    duration: float = 0.0
    width: int = 0
    height: int = 0
    rate: float = 0.0


@dataclass(frozen=True)
class SegmentRow:
    """One row. `vectors (m, d)` are what the matcher compares; none unless the segment is `indexed`."""

    file: FileState
    facts: VideoFacts
    segment: Segment
    status: Status = "indexed"
    reason: str = ""
    coverage: float = 0.0
    vectors: NDArray[np.float32] | None = None
    thumbnail: bytes = b""

    @property
    def id(self) -> int:
        """63 bits of a digest of path, content and range: the same wherever and whenever it is indexed."""
        named = (self.file.path, self.file.fingerprint, self.segment.number, self.segment.start, self.segment.end)
        return int.from_bytes(blake2b(repr(named).encode(), digest_size=8).digest(), "big") >> 1


def index_schema(width: int, *, many: bool) -> Any:
    """Return the Arrow schema; `many` is whether a segment has several vectors."""
    import pyarrow as pa

    kinds = {
        "id": pa.int64(),
        "path": pa.string(),
        "size": pa.int64(),
        "modified": pa.int64(),
        "fingerprint": pa.string(),
        "duration": pa.float64(),
        "width": pa.int32(),
        "height": pa.int32(),
        "rate": pa.float64(),
        "segment": pa.int32(),
        "start": pa.float64(),
        "end": pa.float64(),
        "status": pa.string(),
        "reason": pa.string(),
        "coverage": pa.float32(),
        "vector": pa.list_(pa.float32(), width),
        **({"vectors": pa.list_(pa.float32())} if many else {}),
        "thumbnail": pa.binary(),
        "crc": pa.int64(),
    }
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in kinds.items()])


def rows_table(rows: Sequence[SegmentRow], *, width: int, many: bool) -> Any:
    """Return rows as an Arrow table, each with its checksum. A row without vectors has zeros in `vector`."""
    import pyarrow as pa

    first = np.zeros((len(rows), width), np.float32)
    for place, row in enumerate(rows):
        if row.vectors is not None:
            first[place] = mean_vector(row.vectors)
    columns: dict[str, Any] = {
        "id": [row.id for row in rows],
        **{name: [getattr(row.file, name) for row in rows] for name in ("path", "size", "modified", "fingerprint")},
        **{name: [getattr(row.facts, name) for row in rows] for name in ("duration", "width", "height", "rate")},
        "segment": [row.segment.number for row in rows],
        "start": [row.segment.start for row in rows],
        "end": [row.segment.end for row in rows],
        **{name: [getattr(row, name) for row in rows] for name in ("status", "reason", "coverage")},
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(first.reshape(-1)), width),
        "thumbnail": [row.thumbnail for row in rows],
        "crc": [0] * len(rows),
    }
    if many:
        columns["vectors"] = [[] if row.vectors is None else row.vectors.reshape(-1) for row in rows]
    schema = index_schema(width, many=many)
    return with_checksums(pa.table({name: columns[name] for name in schema.names}, schema=schema))


def mean_vector(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the vector `(d,)` that stands for `(m, d)`: a single one as it is, of several their mean of length 1."""
    if len(vectors) == 1:
        single: NDArray[np.float32] = vectors[0]
        return single
    mean = vectors.astype(np.float64).mean(0)
    unit: NDArray[np.float32] = (mean / (float(np.linalg.norm(mean)) or 1.0)).astype(np.float32)
    return unit


def with_checksums(table: Any) -> Any:
    """Return a table of rows with their checksums computed anew."""
    import pyarrow as pa

    place = table.schema.get_field_index("crc")
    return table.set_column(place, table.schema.field("crc"), pa.array(checksums(table), pa.int64()))


def checksums(table: Any) -> NDArray[np.int64]:
    """Return the CRC-32 of each row `(n,)` over all of its columns but the checksum itself."""
    table = table.combine_chunks()
    found = np.zeros(table.num_rows, np.int64)
    for field in table.schema:
        if field.name == "crc":
            continue
        for place, content in enumerate(_contents(table[field.name], field)):
            found[place] = crc32(content, int(found[place]))
    return found


def _contents(column: Any, field: Any) -> Any:
    """Return the bytes of each value of a column; those of varying length after their length."""
    import pyarrow as pa

    kind = field.type
    if pa.types.is_fixed_size_list(kind):
        values = column.combine_chunks()
        flat = values.flatten().to_numpy(zero_copy_only=False)
        return (row.tobytes() for row in np.ascontiguousarray(flat).reshape(-1, kind.list_size))
    if pa.types.is_list(kind):
        return (_sized(np.asarray(value.values, np.float32).tobytes()) for value in column)
    if pa.types.is_string(kind):
        return (_sized(value.encode()) for value in column.to_pylist())
    if pa.types.is_binary(kind):
        return (_sized(value) for value in column.to_pylist())
    plain = column.to_numpy()
    return (value.tobytes() for value in plain)


def _sized(content: bytes) -> bytes:
    return struct.pack("<q", len(content)) + content
