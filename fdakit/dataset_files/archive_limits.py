"""How far archives may swell: a few megabytes of zeros packed well are gigabytes on the disk, or in memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
from io import BufferedReader
from typing import IO

LARGEST_RATIO = 200  # times the archive's own bytes: videos hardly shrink, text to a tenth
LEAST_ROOM = 1 << 30  # bytes that any archive may unpack to
_LARGEST_READ = 1 << 25  # bytes of one read: a header that claims more is none


class SwellingError(Exception):
    """An archive unpacks to more than any archive of its size should."""


class Room:
    """Bytes that an archive of `size` bytes may still unpack to."""

    def __init__(self, size: int) -> None:
        self.left = max(LEAST_ROOM, LARGEST_RATIO * size)

    def take(self, count: int) -> None:
        """Count bytes that were unpacked. Raises `SwellingError` if they are too many."""
        self.left -= count
        if self.left < 0:
            raise SwellingError(f"it unpacks to more than {LARGEST_RATIO} times its size")


class BoundedStream:
    """What a tar file's reader asks of a file, up to the room of its archive and never much at a time."""

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
        """Move on, or back: what is skipped is unpacked too, piece by piece."""
        while whence == 0 and place - self._furthest > _LARGEST_READ:
            self._stream.seek(self._furthest + _LARGEST_READ)
            if self._stream.tell() <= self._furthest:  # the end
                break
            self._moved()
        found = self._stream.seek(place, whence)
        self._moved()
        return found

    def tell(self) -> int:
        """Place in what is unpacked."""
        return self._stream.tell()

    def _moved(self) -> None:
        place = self._stream.tell()
        if place > self._furthest:
            self._room.take(place - self._furthest)
            self._furthest = place


def bounded_stream(raw: BufferedReader) -> BoundedStream:
    """Return what a tar file holds, unpacked where it is packed by gzip, bzip2 or xz."""
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
