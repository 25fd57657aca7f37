"""The ledger of `fdakit data check`: the findings of decoding each video file to its end.

One SQLite file, by the standard library. Each row is written atomically during a scan, several scans may write at
once, and a training looks up its own videos without reading a million others; lines of JSON would have to be read
completely, and two writers could corrupt them. A row is valid as long as its file's size and mtime do not change.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from fdakit.errors import FdakitError
from fdakit.system.regular_files import require_regular

Status = Literal["ok", "repaired", "unreadable"]
Mark = tuple[int, int]
"""Size in bytes and mtime in ns: while both stay, a file counts as unchanged."""

_KINDS: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "Status": str}
_ADVICE = "name another file with --ledger or loader.ledger"
_VERSION = 2
_FORMER = frozenset({1})  # versions whose rows are dropped, as they were found by other rules
_WAIT = 60.0  # seconds for another writer's single row


@dataclass(frozen=True)
class Finding:
    """The finding of one file. `repaired`: some of its frames decode; `reason` is the first error, "" if all do.

    `promised` frames by its packets, of which `decoded` came out; `duration` the last frame's time in seconds;
    `width` and `height` in pixels as stored, `rotation` in clockwise degrees to upright. `remarks`, one a line: how
    order and times differ from what the file states.
    """

    status: Status
    reason: str = ""
    promised: int = 0
    decoded: int = 0
    duration: float = 0.0
    codec: str = ""
    width: int = 0
    height: int = 0
    rotation: int = 0
    remarks: str = ""


_COLUMNS = tuple(field.name for field in fields(Finding))


def mark_of(path: Path) -> Mark | None:
    """Return size and mtime of a file, or None if there is no accessible file."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: NUL in its name
        return None
    return found.st_size, found.st_mtime_ns


class Ledger:
    """Findings by absolute path. Raises `FdakitError` if the file is not a ledger or cannot be used.

    One of an older version has no valid rows, and is recreated by `create`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def find(self, paths: Iterable[Path]) -> dict[Path, Finding]:
        """Return the findings that are still valid, by path as given; empty if there is no ledger file yet."""
        if not self._is_there():
            return {}
        found = {}
        ask = f"SELECT size, mtime_ns, {', '.join(_COLUMNS)} FROM videos WHERE path = ?"
        with self._opened(f"{self.path.as_uri()}?mode=ro") as table:
            if _version(table) in _FORMER:
                return {}
            for path in paths:
                row = table.execute(ask, (_key(path),)).fetchone()
                if row is not None and row[:2] == mark_of(path):
                    found[path] = self._finding(row[2:])
        return found

    def _is_there(self) -> bool:
        """Return whether there is a file. Raises `FdakitError` if it is something else."""
        try:
            self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except (OSError, ValueError):
            pass  # reported next
        require_regular(self.path, advice=_ADVICE)
        return True

    def _finding(self, values: tuple[Any, ...]) -> Finding:
        """Return a row's finding. Raises `FdakitError` if it has values that no check writes."""
        found = Finding(*values)
        kinds = {field.name: _KINDS[str(field.type)] for field in fields(Finding)}
        if found.status not in get_args(Status) or not all(
            isinstance(value, kinds[name]) for name, value in zip(_COLUMNS, values, strict=True)
        ):
            raise FdakitError(
                f"{self.path}: a row says {values[0]!r:.40}, which no check wrote; delete the file and run "
                f"`fdakit data check` again, or {_ADVICE}"
            )
        return found

    def write(self, path: Path, mark: Mark, finding: Finding) -> None:
        """Add or replace the row of a file; it is on disk on return."""
        values = (_key(path), *mark, *astuple(finding))
        with self._opened(f"{self.path.as_uri()}?mode=rwc") as table, table:
            table.execute(f"INSERT OR REPLACE INTO videos VALUES ({', '.join('?' * len(values))})", values)

    def create(self) -> None:
        """Create the file and its folder if absent, so that a scan does not end with nowhere to write."""
        self._is_there()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FdakitError(
                f"{self.path}: the ledger's folder cannot be made ({error.strerror}); name another file with --ledger"
            ) from error
        with self._opened(f"{self.path.as_uri()}?mode=rwc") as table, table:
            if _version(table) in _FORMER:
                table.execute("DROP TABLE videos")
            if _version(table) != _VERSION:
                kinds = {"str": "TEXT", "int": "INTEGER", "float": "REAL", "Status": "TEXT"}
                columns = ", ".join(f"{field.name} {kinds[str(field.type)]} NOT NULL" for field in fields(Finding))
                table.execute(
                    "CREATE TABLE IF NOT EXISTS videos "
                    f"(path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, {columns})"
                )
                table.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def _opened(self, address: str) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=_WAIT)) as table:
                version, tables = _version(table), table.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
                if version not in ({_VERSION, *_FORMER} if tables else {0}):
                    raise sqlite3.DatabaseError("some other database, or one of another version")
                yield table
        except sqlite3.OperationalError as error:
            raise FdakitError(
                f"{self.path}: the ledger cannot be used ({error}); check its rights and free space, or name another "
                "file with --ledger or loader.ledger"
            ) from error
        except sqlite3.DatabaseError as error:
            raise FdakitError(
                f"{self.path}: no ledger of this fdakit ({error}); delete it and run `fdakit data check` again, or "
                "name another file with --ledger or loader.ledger"
            ) from error


def _version(table: sqlite3.Connection) -> int:
    return int(table.execute("PRAGMA user_version").fetchone()[0])


def _key(path: Path) -> bytes:
    """Return the path as bytes, as a file name need not be text."""
    return os.fsencode(path.absolute())
