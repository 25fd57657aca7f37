"""Files written by `torch.save` and TorchScript: their tensors, read without torch's own readers.

Since torch 1.6 a file is a zip archive of uncompressed entries: `data.pkl` and one entry a storage. Before, it was a
sequence of pickles followed by the storages. Source: torch/serialization.py, caffe2/serialize/inline_container.cc.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

import torch

from .file_kinds import ForeignFileError
from .pickled_names import STORAGES, Budget, DamagedFileError, StorageClaim, TensorClaim
from .state_dicts import find_values
from .torchscript import module_tensors
from .weight_pickle import LARGEST_PICKLE, read_pickle

MAGIC = 0x1950A86A20F9469CFC6C
MOST_ENTRIES = 200_000
"""Largest number of entries of an archive: each is a storage, or the code of one TorchScript class."""
_LARGEST_DIRECTORY = 64 << 20
_OVERLAP = 4
"""Multiple of the file's size that its tensors may claim together: tied weights are stored once, claimed twice."""
_SLACK = 1 << 20
_END = struct.Struct("<4s4H2LH")
_WIDE_LOCATOR = struct.Struct("<4sLQL")
_WIDE_END = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<28x3H12x")  # the lengths of its name, of more fields and of its comment
_LOCAL = struct.Struct("<4s5H3L2H")


@dataclass(frozen=True)
class Record:
    """A range of bytes of a file: offset, size, and the checksum that an archive states."""

    start: int
    size: int
    crc: int | None = None


class TorchFile:
    """An open file: `content` as its pickle describes it, with claims in place of tensors, which `tensor` reads."""

    def __init__(self, file: IO[bytes], content: Any, records: Mapping[str, Record], *, size: int) -> None:
        self.content = content
        self._file = file
        self._records = records
        self._storages: dict[str, torch.Tensor] = {}
        self._left = _OVERLAP * size + _SLACK
        self._kept, self._broken = 0, ""

    def tensor(self, claim: TensorClaim) -> torch.Tensor:
        """Return the tensor of a claim. Raises `DamagedFileError` if the file does not hold what is claimed."""
        dtype: torch.dtype = getattr(torch, claim.dtype or STORAGES[claim.storage.kind])
        storage = self._storage(claim.storage)
        width = dtype.itemsize
        count = math.prod(claim.size)
        self._left -= count * width
        if self._left < 0:
            raise DamagedFileError("its tensors claim more values than the file holds")
        last = claim.offset + sum((side - 1) * step for side, step in zip(claim.size, claim.stride, strict=True))
        if count and (last + 1) * width > len(storage):
            raise DamagedFileError("a tensor lies outside of its storage")
        if not count:
            return torch.empty(claim.size, dtype=dtype)
        values = storage[: len(storage) // width * width].view(dtype)
        return values.as_strided(claim.size, claim.stride, claim.offset)

    def _storage(self, claim: StorageClaim) -> torch.Tensor:
        """Return the bytes of a storage, read once."""
        record = self._records.get(claim.key)
        width = getattr(torch, STORAGES[claim.kind]).itemsize
        if record is None or record.size != claim.count * width:
            raise DamagedFileError(f"storage {claim.key!r} is absent or of another size than its pickle says")
        if claim.key not in self._storages:
            content = self._read(claim.key, record)
            self._storages[claim.key] = torch.frombuffer(content, dtype=torch.uint8) if content else torch.empty(0)
        return self._storages[claim.key]

    def _read(self, key: str, record: Record) -> bytearray:
        """Return the bytes of a record.

        Torch can omit checksums, so a wrong one means damage only if another one matches.
        """
        self._file.seek(record.start)
        content = bytearray(record.size)
        if self._file.readinto(content) != record.size:  # type: ignore[attr-defined]
            raise DamagedFileError("it breaks off")
        if record.crc is not None:
            if zlib.crc32(content) == record.crc:
                self._kept += 1
            else:
                self._broken = self._broken or key
            if self._kept and self._broken:
                raise DamagedFileError(f"the checksum of storage {self._broken!r} does not hold")
        return content


def open_archive(file: IO[bytes], *, size: int) -> tuple[TorchFile, bool]:
    """Open a zip archive; return it, and whether it is a TorchScript one.

    Only the class definitions of a TorchScript archive are decompressed, up to a limit. Raises `DamagedFileError` or
    `CodeFoundError`.
    """
    _check_directory(file, size=size)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        top = next((e.filename.partition("/")[0] for e in entries if e.filename.count("/") == 1), "")
        named = {entry.filename: entry for entry in entries if entry.filename.startswith(f"{top}/")}
        if f"{top}/data.pkl" not in named:
            raise ForeignFileError(_not_torchs([entry.filename for entry in entries]))
        scripted = f"{top}/constants.pkl" in named
        head = f"{top}/data/"
        wanted = {name: entry for name, entry in named.items() if name.startswith((head, f"{top}/data.pkl"))}
        records = {name: _record(file, entry, size=size) for name, entry in wanted.items()}
        if sum(record.size for record in records.values()) > size:
            raise DamagedFileError("its entries overlap")
        _check_byte_order(file, named.get(f"{top}/byteorder"), size=size)
        budget = Budget()
        content = read_pickle(io.BytesIO(_pickle(file, records[f"{top}/data.pkl"])), budget=budget)
        if scripted:
            content = module_tensors(content, archive, top=top, budget=budget)
    storages = {name.removeprefix(head): record for name, record in records.items() if name.startswith(head)}
    return TorchFile(file, content, storages, size=size), scripted


def _pickle(file: IO[bytes], record: Record) -> bytes:
    if record.size > LARGEST_PICKLE:
        raise DamagedFileError(f"its pickle is larger than {LARGEST_PICKLE >> 20} MiB")
    file.seek(record.start)
    return file.read(record.size)


def _check_directory(file: IO[bytes], *, size: int) -> None:
    """Reject a directory of entries that is too long before it is read."""
    start = max(0, size - (1 << 16) - _END.size - _WIDE_LOCATOR.size)
    file.seek(start)
    tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < _END.size:
        raise DamagedFileError("it breaks off: a zip archive without the directory at its end")
    _, _, _, _, entries, length, _, _ = _END.unpack_from(tail, place)
    locator = place - _WIDE_LOCATOR.size
    if locator >= 0 and tail[locator : locator + 4] == b"PK\x06\x07":
        wide = tail[max(0, locator - _WIDE_END.size) : locator]
        told = _WIDE_LOCATOR.unpack_from(tail, locator)[2]
        place = locator - _WIDE_END.size
        if told != start + place or wide[:4] != b"PK\x06\x06" or len(wide) < _WIDE_END.size:
            raise DamagedFileError(
                "the end of its zip directory contradicts itself"
            )  # readers differ in which one they use
        entries, length = _WIDE_END.unpack(wide)[7:9]
    _check_entries(file, entries, length, end=start + place)


def _check_entries(file: IO[bytes], entries: int, length: int, *, end: int) -> None:
    """Reject a directory with too many entries, by its header or as counted up to its `end`."""
    if entries > MOST_ENTRIES or length > _LARGEST_DIRECTORY:
        raise DamagedFileError(f"it says to hold {entries:,} entries; {MOST_ENTRIES:,} are the most that is read")
    file.seek(max(0, end - length))
    directory = file.read(min(length, end))
    place = found = 0
    while place + _ENTRY.size <= len(directory):
        place += _ENTRY.size + sum(_ENTRY.unpack_from(directory, place))
        found += 1
        if found > MOST_ENTRIES:
            raise DamagedFileError(f"its directory has more than {MOST_ENTRIES:,} entries, the most that is read")


def _not_torchs(names: list[str]) -> str:
    if any(name.endswith(".npy") for name in names):
        return "is an archive of NumPy arrays (.npz); fdakit reads safetensors and torch files"
    inside = [name for name in names if name.endswith((".safetensors", ".pt", ".pth", ".bin", ".ckpt"))]
    if inside:
        return f"is a zip archive that holds {inside[0]!r}; unpack it and name that file"
    shown = ", ".join(repr(name[:80]) for name in names[:3]) or "nothing"
    return f"is a zip archive that torch did not write (it holds {shown}); fdakit reads safetensors and torch files"


def _record(file: IO[bytes], entry: zipfile.ZipInfo, *, size: int) -> Record:
    """Return the location of an entry's bytes, which must be stored uncompressed."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 1:
        raise ForeignFileError(
            f"holds {entry.filename[:80]!r} compressed or encrypted, as torch writes no weights; unpack it and save "
            "it anew"
        )
    file.seek(entry.header_offset)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
        raise DamagedFileError(f"its entry {entry.filename!r} is not where the directory says")
    *_, name, extra = _LOCAL.unpack(head)
    start = entry.header_offset + _LOCAL.size + name + extra
    if start + entry.file_size > size:
        raise DamagedFileError("it breaks off")
    return Record(start, entry.file_size, entry.CRC)


def _check_byte_order(file: IO[bytes], entry: zipfile.ZipInfo | None, *, size: int) -> None:
    if entry is not None:
        record = _record(file, entry, size=size)
        file.seek(record.start)
        if file.read(min(record.size, 8)).strip() != b"little":
            raise ForeignFileError("was written on a big-endian machine; save it anew on another")


def open_legacy(file: IO[bytes], *, size: int) -> TorchFile:
    """Open a file in torch's format before 1.6. Raises `DamagedFileError` or `CodeFoundError`."""
    file.seek(0)
    budget = Budget()
    magic, _, system, content, keys = (read_pickle(file, budget=budget) for _ in range(5))
    if magic != MAGIC or not isinstance(keys, list):
        raise DamagedFileError("it is a pickle that torch did not write")
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise ForeignFileError("was written on a big-endian machine; save it anew on another")
    claims = {claim.storage.key: claim.storage for claim in find_values(content, TensorClaim)}
    records: dict[str, Record] = {}
    for key in keys:
        if not isinstance(key, str) or key not in claims or key in records:
            raise DamagedFileError("its list of storages does not fit its pickle")
        claim = claims[key]
        width = getattr(torch, STORAGES[claim.kind]).itemsize
        counted = file.read(8)
        start = file.tell()
        if len(counted) < 8 or struct.unpack("<q", counted)[0] != claim.count or start + claim.count * width > size:
            raise DamagedFileError("it breaks off, or a storage is of another size than its pickle says")
        records[key] = Record(start, claim.count * width)
        file.seek(start + claim.count * width)
    return TorchFile(file, content, records, size=size)
