"""The ledger of `fdakit data check`: what decoding each video file to its end has shown.

One SQLite file, by the standard library. Each row is written atomically while a scan goes on, several
scans may write at once, and a training asks for its own videos without reading a million others; lines of JSON
would have to be read from end to end, and two writers could tear them. A row holds as long as size and mtime of
its file do.
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
"""Size in bytes and time of the last change in ns: while both stay, a file counts as the same."""

_KINDS: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "Status": str}
_ADVICE = "name another file with --ledger or loader.ledger"
_VERSION = 2
_FORMER = frozenset({1})  # versions whose rows are forgotten: what they say was found by other rules
_WAIT = 60.0  # seconds for another writer's single row


@dataclass(frozen=True)
class Finding:
    """One file. `repaired`: some of its frames decode; `reason` is the first fault in words, "" where all do.

    `promised` frames by its packets, of which `decoded` came out; `duration` the last frame's time in seconds;
    `width` and `height` in pixels as stored, `rotation` clockwise degrees that set them upright. `remarks`, one a
    line: what about order and times is not as the file states.
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
    """Size and mtime of a file, or None if there is none that can be reached."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: NUL in its name
        return None
    return found.st_size, found.st_mtime_ns


class Ledger:
    """Findings by absolute path. Raises `FdakitError` if the file is no ledger or cannot be used.

    One of a former version knows no file, and is begun anew by `create`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def find(self, paths: Iterable[Path]) -> dict[Path, Finding]:
        """Return the findings that still hold, by path as given; empty if there is no ledger file yet."""
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
        """Return whether there is a file. Raises `FdakitError` if something else stands there."""
        try:
            self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except (OSError, ValueError):
            pass  # the reason is worded next
        require_regular(self.path, advice=_ADVICE)
        return True

    def _finding(self, values: tuple[Any, ...]) -> Finding:
        """Return a row's finding. Raises `FdakitError` if it holds what no check ever wrote."""
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
        """Add or replace the row of a file; on return it is on disk."""
        values = (_key(path), *mark, *astuple(finding))
        with self._opened(f"{self.path.as_uri()}?mode=rwc") as table, table:
            table.execute(f"INSERT OR REPLACE INTO videos VALUES ({', '.join('?' * len(values))})", values)

    def create(self) -> None:
        """Make the file and its folder where they are absent, so that a scan cannot end with nowhere to write."""
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
    """As bytes, because a file name need not be text."""
    return os.fsencode(path.absolute())
