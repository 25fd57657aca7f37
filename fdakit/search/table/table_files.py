"""The files of a Lance table: written through to the disk, and listed with their digests.

Lance writes without `fsync`, and its data files have no checksum. So a version counts as written only after `settle`:
every file that it added, and every folder that names them, is on disk, and its digest is in `checksums.txt`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

from fdakit.errors import FdakitError
from fdakit.system.atomic_files import sync, write_errors, write_text

CHECKSUMS = "checksums.txt"
HINT = "latest_version_hint.json"
"""A file of Lance that is written anew with each version; what it says is not needed."""

_CHUNK = 1 << 20


class TableFiles:
    """The files below `table`, and the list of their digests at `listing`."""

    def __init__(self, table: Path, listing: Path) -> None:
        self._table, self._listing = table, listing
        self._settled: set[str] = set()

    def settle(self) -> None:
        """Wait until every file and folder of the table is on disk, and append the digests of new ones.

        Raises `FdakitError` if the disk refuses.
        """
        with write_errors(self._table):
            fresh = [path for path in self._files() if str(path) not in self._settled]
            known = self.listed()
            for path in [*fresh, *self._table.rglob(HINT)]:
                sync(path)
            for folder in dict.fromkeys([*(path.parent for path in fresh), self._table, self._table.parent]):
                sync(folder)
            lines = [_line(self._name(path), path) for path in fresh if self._name(path) not in known]
            if lines:
                self._append("".join(lines))
            self._settled.update(map(str, fresh))

    def forget_absent(self) -> None:
        """Drop the digests of files that are no longer there, as after a clean-up of old versions."""
        known = self.listed()
        there = {self._name(path) for path in self._files()}
        if set(known) - there:
            kept = {name: digest for name, digest in known.items() if name in there}
            write_text(self._listing, "".join(f"{digest}  {name}\n" for name, digest in kept.items()))

    def listed(self) -> dict[str, str]:
        """Return the known digests by file name; a line that a kill cut short is passed over."""
        try:
            text = self._listing.read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            return {}
        pairs = (line.split("  ", 1) for line in text.split("\n") if line)
        return {pair[1]: pair[0] for pair in pairs if len(pair) == 2 and len(pair[0]) == 32}

    def faults(self, names: Mapping[str, str] | None = None) -> Iterator[str]:
        """Yield what is wrong with each file whose digest is known: gone, or another content."""
        for name, digest in (self.listed() if names is None else names).items():
            path = self._table / name
            try:
                found = _digest(path)
            except FileNotFoundError:
                yield f"{path}: is gone"
            except OSError as error:
                yield f"{path}: cannot be read ({error.strerror or error})"
            else:
                if found != digest:
                    yield f"{path}: is not what was written: its bytes have another digest"

    def unlisted(self) -> list[str]:
        """Return the names of files without a known digest: written, but never said to be indexed."""
        known = self.listed()
        return [name for name in map(self._name, self._files()) if name not in known]

    def _append(self, lines: str) -> None:
        fresh = not self._listing.exists()
        with self._listing.open("ab") as handle:
            if not fresh and handle.tell() and not self._ends_whole():
                handle.write(b"\n")
            handle.write(lines.encode())
            handle.flush()
            os.fsync(handle.fileno())
        if fresh:
            sync(self._listing.parent)

    def _ends_whole(self) -> bool:
        with self._listing.open("rb") as handle:
            handle.seek(-1, os.SEEK_END)
            return handle.read(1) == b"\n"

    def _files(self) -> list[Path]:
        return sorted(path for path in self._table.rglob("*") if path.is_file() and path.name != HINT)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._table).as_posix()


def check_hard_links(folder: Path) -> None:
    """Raise `FdakitError` if the file system of a folder has no hard links, with which Lance publishes a version."""
    first, second = folder / ".link-test", folder / ".link-test-2"
    with write_errors(folder):
        for path in (first, second):
            path.unlink(missing_ok=True)
        first.write_bytes(b"")
        try:
            os.link(first, second)
        except OSError as error:
            raise FdakitError(
                f"{folder.absolute()}: this file system has no hard links ({error.strerror or error}), without which "
                "a version cannot be written safely; put the index on another disk, as ext4, xfs, APFS or NTFS"
            ) from error
        finally:
            for path in (first, second):
                path.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    digest = blake2b(digest_size=16)
    with path.open("rb") as handle:
        while block := handle.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def _line(name: str, path: Path) -> str:
    return f"{_digest(path)}  {name}\n"
