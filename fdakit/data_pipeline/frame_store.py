"""A disk cache of clips, shared by epochs, runs and processes: decoded frames and their masks.

Storage is lossless, bit for bit, so a run does not depend on what the store holds. A mask of 0 and 1 takes one bit a
pixel, one of multiples of 1/255 a byte, any other its four bytes.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.values import VideoRef

from .alpha_levels import Alpha, smallest
from .shard_files import ALIGN, KEY_BYTES
from .shards import Shards

FORMAT = 2  # part of every key: increment it with each change of what is stored or of how a clip is made
FRAMES, MASK = 0, 1  # kinds of records
_LENGTH = struct.Struct("<I")
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class MaskedClip:
    """A transformed clip and its mask: frames uint8 `(t, s, s, 3)`, alpha `(t, s, s)`, times `(t,)` s.

    Where the mask is made on the device, `alpha` is None, and `neighbours (t, s, s, 3)` and `luma (t, s, s)`, by gap,
    are what it needs.
    """

    frames: NDArray[np.uint8]
    alpha: Alpha | None
    times: NDArray[np.float64]
    neighbours: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    luma: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)


class FrameStore:
    """Frames and masks by key, on disk in `folder`, up to `limit_mb`; 0 stores nothing.

    `about` describes the writer, for `fdakit cache info`. Arrays are memory-mapped and read-only; masks are unpacked.
    What does not fit is not stored: `take_notes` reports this, and damage, once.
    """

    def __init__(self, folder: Path, *, limit_mb: int, about: Mapping[str, Any] | None = None) -> None:
        self._shards = Shards(folder, limit=limit_mb * 1_000_000, about=about or {})
        self.folder = folder
        self.take_notes = self._shards.take_notes
        self.full_note = self._shards.full_note

    @property
    def room(self) -> int:
        """The bytes that may still be written."""
        return self._shards.room

    def __contains__(self, key: bytes) -> bool:
        return key in self._shards

    def get(self, key: bytes) -> dict[str, NDArray[Any]] | None:
        """Return the arrays by name as they were put, or None."""
        record = self._shards.get(key)
        return None if record is None else _unpacked(record)

    def put(self, key: bytes, arrays: Arrays) -> bool:
        """Store numeric arrays under a key. Return False if there is no room."""
        return self._shards.put(key, _packed(arrays), kind=FRAMES)

    def get_mask(self, key: bytes) -> Alpha | None:
        """Return the mask `(t, s, s)` as it was put, in levels where that is exact; or None."""
        found = self.get(key)
        return None if found is None else _kept_mask(found)

    def put_mask(self, key: bytes, alpha: Alpha) -> bool:
        """Store a mask `(t, s, s)` in [0, 1] under a key. Return False if there is no room."""
        return self._shards.put(key, _packed(_small_mask(alpha)), kind=MASK)

    def refresh(self) -> None:
        """Read what other processes have stored."""
        self._shards.refresh()


def record_key(*facts: Any) -> bytes:
    """Return the 16-byte key of JSON-serialisable facts and the format."""
    return blake2b(json.dumps([FORMAT, *facts], sort_keys=True).encode(), digest_size=KEY_BYTES).digest()


def file_fingerprint(video: VideoRef) -> tuple[str, int, int, float | None, float | None]:
    """Return what changes when a file is replaced or rewritten: path, size, mtime in ns, and its segment.

    Raises `OSError` if there is no such file.
    """
    found = video.path.stat()
    return (str(video.path.absolute()), found.st_size, found.st_mtime_ns, video.start, video.end)


def estimated_bytes(frames: int, size: int) -> int:
    """Return the bytes on disk of a clip of `frames` of `size` x `size` pixels with a hard mask."""
    return frames * size * size * 3 + frames * size * size // 8


def _small_mask(alpha: Alpha) -> dict[str, NDArray[Any]]:
    kept = smallest(alpha)
    if kept.dtype != np.uint8:
        return {"alpha": kept}
    if bool(((kept == 0) | (kept == 255)).all()):
        return {"bits": np.packbits(kept != 0), "shape": np.array(kept.shape)}
    return {"levels": kept}


def _kept_mask(arrays: Arrays) -> Alpha:
    if "bits" in arrays:
        shape = arrays["shape"]
        ones = np.unpackbits(arrays["bits"], count=int(shape.prod())).reshape(shape)
        return np.negative(ones, out=ones)  # 1 becomes 255
    found: Alpha = arrays["levels" if "levels" in arrays else "alpha"]
    return found


def _packed(arrays: Arrays) -> bytes:
    """Return a line of JSON with names, types and shapes, and the arrays' bytes, each aligned to `ALIGN`."""
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    head = json.dumps([[name, array.dtype.str, array.shape] for name, array in plain.items()]).encode()
    parts = [_LENGTH.pack(len(head)) + head, *(array.tobytes() for array in plain.values())]
    return b"".join(part + bytes(-len(part) % ALIGN) for part in parts)


def _unpacked(record: memoryview) -> dict[str, NDArray[Any]]:
    (length,) = _LENGTH.unpack_from(record)
    start = _LENGTH.size + length
    arrays = {}
    for name, kind, shape in json.loads(bytes(record[_LENGTH.size : start])):
        start += -start % ALIGN
        dtype, count = np.dtype(kind), math.prod(shape)
        arrays[name] = np.frombuffer(record, dtype, count, start).reshape(shape)
        start += dtype.itemsize * count
    return arrays
