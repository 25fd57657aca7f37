"""Binary records on disk, by key: append-only shards that many processes write and read at once.

A process appends to shards of its own and reads all, so there is no lock. A record is returned only after its
checksum was verified; a shard with a wrong one is reported and removed, and its records are made again.
"""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fdakit.system.regular_files import open_without_waiting

from .shard_files import ALIGN, ENTRY_BYTES, INDEX, Entry, Shard, Writer, checksum, read_entries

_LARGEST = 512_000_000  # bytes of a shard: limits what damage and `cache clear --older-than` remove
_MAPS = 128  # shards mapped at once: a map holds a file descriptor


class Shards:
    """All shards of a folder: `get` and `put` records by a key of `KEY_BYTES` bytes.

    The folder takes at most `limit` bytes, and at most half of the disk that is free when this process first needs
    room. Lack of room and damage raise nothing: `take_notes` reports them.
    """

    def __init__(self, folder: Path, *, limit: int, about: Mapping[str, Any]) -> None:
        self.folder = folder
        self._limit = limit
        self._about = about
        self._shards: dict[str, Shard] = {}
        self._places: dict[bytes, list[tuple[Shard, Entry]]] = {}
        self._maps: dict[str, mmap.mmap] = {}
        self._unusable: set[str] = set()  # shards that cannot be read
        self._sound: set[tuple[str, int]] = set()  # (shard, offset) of records whose checksum was verified
        self._notes: dict[str, bool] = {}  # note -> whether it was taken
        self._writer: Writer | None = None
        self._failed = False
        self._cap: int | None = None
        self.refresh()

    def refresh(self) -> None:
        """Read what other processes have written, or removed, since."""
        found = self._indexes()
        for name in self._shards.keys() - found.keys():
            self._forget(self._shards[name])
        for name, size in found.items():
            shard = self._shards.setdefault(name, Shard(self.folder / name))
            if size > shard.read:
                self._learn(shard)

    def _indexes(self) -> dict[str, int]:
        """Return name and size of each index.

        Anything that is not a regular file, as a pipe or a folder, is ignored.
        """
        found = {}
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name.endswith(INDEX) and entry.name not in self._unusable:
                        with suppress(OSError):  # removed a moment ago
                            if entry.is_file():
                                found[entry.name] = entry.stat().st_size
        except OSError:  # no folder yet; one that cannot be read cannot be written either, which `put` reports
            pass
        return found

    def _learn(self, shard: Shard) -> None:
        try:
            for entry in read_entries(shard):
                self._places.setdefault(entry.key, []).append((shard, entry))
        except FileNotFoundError:
            self._forget(shard)  # removed a moment ago
        except OSError as error:
            self._leave_out(shard, error)
        except (ValueError, RecursionError):
            self._give_up(shard)

    def _leave_out(self, shard: Shard, error: OSError) -> None:
        """Ignore a shard that cannot be read, such as another user's."""
        self._forget(shard)
        self._unusable.add(shard.index.name)
        why = error.strerror or str(error)
        self._note(
            f"frame store: {shard.data} cannot be read ({why}); what it holds is decoded again; correct its rights"
        )

    def _forget(self, shard: Shard) -> None:
        shard.lost = True
        self._shards.pop(shard.index.name, None)
        self._maps.pop(shard.index.name, None)
        if self._writer is not None and self._writer.index == shard.index:
            self._writer.close()
            self._writer = None

    def __contains__(self, key: bytes) -> bool:
        return any(not shard.lost for shard, _ in self._places.get(key, ()))

    @property
    def used(self) -> int:
        """The bytes of all records and their entries."""
        return sum(shard.end + shard.read for shard in self._shards.values())

    @property
    def room(self) -> int:
        """The bytes that may still be written."""
        if self._cap is None:
            self._cap = min(self._limit, self.used + _free(self.folder) // 2)
        return max(0, self._cap - self.used)

    def get(self, key: bytes) -> memoryview | None:
        """Return the record, memory-mapped and read-only, or None. Its checksum is verified once a process."""
        found = self._first_sound(key)
        if found is None:
            self.refresh()
            found = self._first_sound(key)
        return found

    def _first_sound(self, key: bytes) -> memoryview | None:
        for shard, entry in self._places.get(key, ()):
            record = None if shard.lost else self._read(shard, entry)
            if record is not None:
                return record
        return None

    def _read(self, shard: Shard, entry: Entry) -> memoryview | None:
        end = entry.offset + entry.length
        try:
            mapped = self._mapped(shard, end)
        except FileNotFoundError:
            if shard.index.exists():
                self._give_up(shard)
            else:
                self._forget(shard)  # removed, here or by another process: the index goes first
            return None
        except OSError as error:
            self._leave_out(shard, error)
            return None
        if mapped is not None:
            record = memoryview(mapped)[entry.offset : end]
            mark = (shard.index.name, entry.offset)
            if mark in self._sound or checksum(record) == entry.check:
                self._sound.add(mark)
                return record
        self._give_up(shard)
        return None

    def _mapped(self, shard: Shard, end: int) -> mmap.mmap | None:
        """Return the shard's data up to at least `end`; None if the file is shorter than its index says."""
        name = shard.index.name
        known = self._maps.get(name)
        if known is None or len(known) < end:
            with open_without_waiting(shard.data) as file:
                if os.fstat(file.fileno()).st_size < end:
                    return None
                if known is None:
                    with suppress(OSError):  # time of last use, for `cache clear`; the file may be another user's
                        os.utime(shard.index)
                known = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            while len(self._maps) >= _MAPS:
                self._maps.pop(next(iter(self._maps)))  # it is unmapped when its records are no longer used
            self._maps[name] = known
        return known

    def _give_up(self, shard: Shard) -> None:
        """Remove a damaged shard. The process that removes its index reports it."""
        self._forget(shard)
        try:
            shard.index.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            self._note(f"frame store: {shard.data} is damaged and cannot be removed ({error.strerror}); remove it")
            return
        with suppress(OSError):  # open elsewhere on Windows; nothing refers to it any more
            shard.data.unlink()
        count = sum(shard.records.values())
        self._note(f"frame store: {shard.data} was damaged and is removed; its {count} records are made again")

    def put(self, key: bytes, record: bytes, *, kind: int = 0) -> bool:
        """Append a record, unless another process has. Return False if it does not fit or cannot be written."""
        if self._failed:
            return False
        self.refresh()
        if key in self:
            return True
        if len(record) + ALIGN + ENTRY_BYTES > self.room:
            self._note(self.full_note())
            return False
        try:
            if self._writer is None or self._writer.end > _LARGEST:
                self.close()
                self._writer = Writer(self.folder, self._about)
            self._writer.append(key, record, kind=kind)
        except OSError as error:
            self._failed = True
            self._note(
                f"frame store: {self.folder} cannot be written ({error.strerror or error}); what it lacks is decoded "
                "again each time; free room there, or set frame_store.folder"
            )
            if self._writer is not None:
                self._writer.abandon()
                self._writer = None
            return False
        return True

    def full_note(self) -> str:
        """Return the note for a record that does not fit, the same in every process of a run."""
        full = f"frame store: {self.folder} has no more room (frame_store.limit_mb, and half of the free disk)"
        remedy = "raise frame_store.limit_mb, or make room with `fdakit cache clear`"
        return f"{full}; what it lacks is decoded again each time; {remedy}"

    def _note(self, note: str) -> None:
        if self._limit:
            self._notes.setdefault(note, False)

    def take_notes(self) -> tuple[str, ...]:
        """Return the notes that were not yet reported: each note once."""
        if all(self._notes.values()):
            return ()
        notes = tuple(note for note, taken in self._notes.items() if not taken)
        self._notes = dict.fromkeys(self._notes, True)
        return notes

    def close(self) -> None:
        """Finish the current shard; the next `put` starts another."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _free(folder: Path) -> int:
    """Return the free bytes of the disk that the folder is, or will be, on."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free
