"""Limits on decompression: a few megabytes of compressed zeros are gigabytes on disk, or in memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
from io import BufferedReader
from typing import IO

LARGEST_RATIO = 200  # multiple of the archive's bytes: videos hardly compress, text to a tenth
LEAST_ROOM = 1 << 30  # bytes that any archive may unpack to
_LARGEST_READ = 1 << 25  # bytes of one read: no valid header claims more


class SwellingError(Exception):
    """An archive decompresses to more than any archive of its size should."""


class Room:
    """The bytes that an archive of `size` bytes may still decompress to."""

    def __init__(self, size: int) -> None:
        self.left = max(LEAST_ROOM, LARGEST_RATIO * size)

    def take(self, count: int) -> None:
        """Count decompressed bytes. Raises `SwellingError` if they are too many."""
        self.left -= count
        if self.left < 0:
            raise SwellingError(f"it unpacks to more than {LARGEST_RATIO} times its size")


class BoundedStream:
    """The stream that a tar reader needs, limited to the room of its archive and small reads."""

    def __init__(self, stream: IO[bytes], room: Room) -> None:
        self._stream, self._room, self._furthest = stream, room, 0

    def read(self, count: int = -1) -> bytes:
        """Return up to `count` bytes. Raises `SwellingError` if that is more than a header has."""
        if not 0 <= count <= _LARGEST_READ:
            raise SwellingError(f"a header in it claims {count:,} bytes")
        found = self._stream.read(count)
        self._moved()
        return found

    def seek(self, place: int, whence: int = 0) -> int:
        """Move forward, or back; skipped data are decompressed too, piece by piece."""
        while whence == 0 and place - self._furthest > _LARGEST_READ:
            self._stream.seek(self._furthest + _LARGEST_READ)
            if self._stream.tell() <= self._furthest:  # the end
                break
            self._moved()
        found = self._stream.seek(place, whence)
        self._moved()
        return found

    def tell(self) -> int:
        """Return the position in the decompressed data."""
        return self._stream.tell()

    def _moved(self) -> None:
        place = self._stream.tell()
        if place > self._furthest:
            self._room.take(place - self._furthest)
            self._furthest = place


def bounded_stream(raw: BufferedReader) -> BoundedStream:
    """Return the content of a tar file, decompressed from gzip, bzip2 or xz."""
    start = raw.peek(6)[:6]
    size = raw.seek(0, 2)
    raw.seek(0)
    stream: IO[bytes] = raw
    if start.startswith(b"\x1f\x8b"):
        stream = gzip.GzipFile(fileobj=raw)  # type: ignore[assignment]
    elif start.startswith(b"BZh"):
        stream = bz2.BZ2File(raw)
    elif start.startswith(b"\xfd7zXZ"):
        stream = lzma.LZMAFile(raw)  # noqa: SIM115  (closed with `raw`)
    return BoundedStream(stream, Room(size))
