"""The two files of a shard: concatenated records, and their index.

`<name>.frames` holds the records; `<name>.frames-index` holds a line of JSON that names their writer, and then a
fixed-size entry a record, with a checksum of the record and one of itself. An entry is written after its record: a
killed process leaves a record without an entry, or half an entry, and readers ignore both.
"""

from __future__ import annotations

import json
import os
import secrets
import struct
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fdakit.system.regular_files import open_without_waiting

DATA, INDEX = ".frames", ".frames-index"
KEY_BYTES = 16
_ENTRY = struct.Struct(f"<{KEY_BYTES}sQQII")  # key, offset, length, kind, checksum of the record
_CHECK = struct.Struct("<I")  # checksum of the entry
ENTRY_BYTES = _ENTRY.size + _CHECK.size
ALIGN = 64  # records start at multiples of it
_COLUMNS = 509  # words of 8 bytes a row of `checksum`: a prime, so that swapped pages are detected


@dataclass
class Shard:
    """One shard, up to where its index has been read. `about` is its writer's description."""

    index: Path
    about: Mapping[str, Any] = field(default_factory=dict)
    read: int = 0  # bytes of the index
    end: int = 0  # bytes of the data that entries refer to
    records: dict[int, int] = field(default_factory=dict)  # count by kind
    lost: bool = False

    @property
    def data(self) -> Path:
        """The file with the records."""
        return self.index.with_suffix(DATA)


class Entry(NamedTuple):
    """Offset, length and kind of a record, and its `checksum`."""

    key: bytes
    offset: int
    length: int
    kind: int
    check: int


def checksum(record: bytes | memoryview) -> int:
    """Return the CRC-32 of the sums of 509 columns of 64-bit words, and of the remaining bytes.

    A changed byte, and pages that are missing, zero or swapped, change a sum. A plain CRC-32 would take most of the
    time of reading a clip; this takes a quarter of it.
    """
    rows = len(record) // (8 * _COLUMNS)
    words = np.frombuffer(record, "<u8", rows * _COLUMNS) if rows else np.zeros(0, "<u8")
    sums = np.add.reduce(words.reshape(rows, _COLUMNS), axis=0)
    return zlib.crc32(record[8 * rows * _COLUMNS :], zlib.crc32(sums.tobytes()))


class Writer:
    """A new shard that only this process appends to. Every call may raise `OSError`."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{secrets.token_hex(4)}"
        self.index = folder / f"{name}{INDEX}"
        self.end = 0
        self._data = FileIO(folder / f"{name}{DATA}", "x")
        self._entries = FileIO(self.index, "x")
        _write_all(self._entries, json.dumps(dict(about)).encode() + b"\n")

    def append(self, key: bytes, record: bytes, *, kind: int) -> None:
        """Write the record first, its entry second: a process killed in between leaves no entry."""
        padding = bytes(-len(record) % ALIGN)
        _write_all(self._data, record + padding)
        entry = _ENTRY.pack(key, self.end, len(record), kind, checksum(record))
        _write_all(self._entries, entry + _CHECK.pack(zlib.crc32(entry)))
        self.end += len(record) + len(padding)

    def abandon(self) -> None:
        """Close after a failure, and free the space of the unfinished record."""
        with suppress(OSError):  # the disk has already failed, and readers ignore trailing data
            self._data.truncate(self.end)
        self.close()

    def close(self) -> None:
        """Close both files."""
        for file in (self._data, self._entries):
            file.close()


def _write_all(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def read_entries(shard: Shard) -> Iterator[Entry]:
    """Yield the entries after those already read; advances `read`, `end` and `records`.

    Half an entry at the end is left for the next call. Raises `ValueError` for a damaged index.
    """
    with open_without_waiting(shard.index) as file:
        file.seek(shard.read)
        text = file.read()
    if shard.read == 0:
        line, newline, text = text.partition(b"\n")
        if not newline:
            return
        about = json.loads(line)
        if not isinstance(about, dict):
            raise ValueError(f"{shard.index}: damaged first line")
        shard.about = about
        shard.read = len(line) + 1
    for start in range(0, len(text) - ENTRY_BYTES + 1, ENTRY_BYTES):
        packed = text[start : start + _ENTRY.size]
        if _CHECK.unpack_from(text, start + _ENTRY.size) != (zlib.crc32(packed),):
            raise ValueError(f"{shard.index}: damaged entry")
        entry = Entry(*_ENTRY.unpack(packed))
        shard.read += ENTRY_BYTES
        shard.end = max(shard.end, entry.offset + entry.length)
        shard.records[entry.kind] = shard.records.get(entry.kind, 0) + 1
        yield entry
