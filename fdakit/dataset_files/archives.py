"""Downloaded archives: only needed members are unpacked, and never over an existing file.

Nothing is extracted by its own name or with its own permissions: each needed member is copied to a path that the
caller gives, so links, devices and names that lead elsewhere are harmless.
"""

from __future__ import annotations

import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from fdakit.errors import DatasetError
from fdakit.plugin.contracts import Progress
from fdakit.system.atomic_files import encoded
from fdakit.system.regular_files import open_regular

from .archive_limits import Room, SwellingError, bounded_stream

ARCHIVE_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")

Place = Callable[[PurePosixPath], Path | None]
"""Returns where a member of an archive belongs, by its path in it; None if it is not needed."""

_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, BadGzipFile, NotImplementedError),
    *(lzma.LZMAError, OverflowError, UnicodeError, SwellingError),
)
_MB = 20  # bits
_LONGEST_NAME = 255  # bytes, on all common file systems
_LONGEST_PATH, _DEEPEST = 4000, 100  # bytes and folders


@dataclass(frozen=True)
class Unpacked:
    """The result of an archive: files written, how many needed ones existed already, and what was left out.

    `refused` names needed members that are not plain files or lead elsewhere, with the reason; `fault` is why reading
    stopped, "" if the archive was read to its end.
    """

    archive: Path
    files: tuple[Path, ...] = ()
    already: int = 0
    refused: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class _Member:
    """A member that is not a folder; `odd` is what it is if not a plain file."""

    name: str
    odd: str
    open: Callable[[], IO[bytes] | None]
    done: int
    chunk: int = 1 << _MB  # bytes that are read at a time


def archives_in(folder: Path) -> tuple[Path, ...]:
    """Return the archives directly in the folder, sorted by name, without hidden ones."""
    found = (path for path in folder.iterdir() if path.name.lower().endswith(ARCHIVE_ENDINGS))
    return tuple(sorted(path for path in found if not path.name.startswith(".") and path.is_file()))


def unpack(archive: Path, place: Place, *, progress: Progress) -> Unpacked:
    """Copy the members that `place` maps to a path, each atomically, none over an existing file.

    Ctrl-C leaves complete files. A damaged or incomplete archive gives what can be read of it. Raises `DatasetError`
    if it cannot be opened, or a file cannot be written.
    """
    files: list[Path] = []
    refused: list[str] = []
    already, fault = 0, ""
    size = archive.stat().st_size
    total, room = size >> _MB, Room(size)
    members = _zip_members if archive.name.lower().endswith(".zip") else _tar_members
    try:
        with closing(members(archive)) as found:
            for member in found:
                progress(f"unpacking {archive.name} (MB)", min(member.done >> _MB, total), total)
                path = PurePosixPath(member.name.replace("\\", "/"))
                target = place(path)
                if target is None:
                    continue
                odd = member.odd or _odd_path(path) or _odd_name(target)
                if odd:
                    refused.append(f"{member.name}: {odd}")
                elif target.exists():
                    already += 1
                else:
                    _copy(member, target, room)
                    files.append(target)
    except _DAMAGE as error:
        fault = (str(error) or type(error).__name__).partition(":\n")[0]  # tarfile appends each format it tried
    except OSError as error:
        raise DatasetError(f"{archive.absolute()}: cannot be read ({error.strerror}); correct its rights") from error
    return Unpacked(archive, tuple(files), already, tuple(refused), fault)


def _odd_path(path: PurePosixPath) -> str:
    if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", str(path)):
        return "its path leads out of the archive's folder"
    return ""


def _odd_name(target: Path) -> str:
    """Return why a name is invalid on disk; parts of the path as well as the whole."""
    if "\0" in str(target):
        return "its name holds a NUL character"
    if len(target.parts) > _DEEPEST or len(encoded(str(target))) > _LONGEST_PATH:
        return "its path is too long"
    longest = max(len(encoded(part)) for part in (*target.parts, _part(target).name))
    return "its name is too long" if longest > _LONGEST_NAME else ""


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _tar_members(archive: Path) -> Generator[_Member]:
    with open_regular(archive, error=DatasetError, advice="correct its rights") as raw:
        stream = bounded_stream(raw)
        with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:") as tar:
            while (member := tar.next()) is not None:
                if not member.isdir():
                    kind = "a link" if member.issym() or member.islnk() else "no plain file"
                    odd = "" if member.isreg() else kind
                    yield _Member(member.name, odd, partial(tar.extractfile, member), raw.tell())
                cast(Any, tar).members.clear()  # otherwise all members would be held in memory


def _zip_members(archive: Path) -> Generator[_Member]:
    with open_regular(archive, error=DatasetError, advice="correct its rights") as raw, zipfile.ZipFile(raw) as found:
        for info in found.infolist():
            if info.is_dir():
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 if it was packed without Unix permissions
            odd = "a link" if kind == stat.S_IFLNK else "" if kind in (0, stat.S_IFREG) else "no plain file"
            if info.flag_bits & 1:
                odd = odd or "encrypted"
            # zipfile decompresses other methods in one go, whatever size that gives.
            bounded = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            chunk = 1 << _MB if bounded else 1 << 12
            yield _Member(info.filename, odd, partial(found.open, info), info.header_offset, chunk)


def _copy(member: _Member, target: Path, room: Room) -> None:
    """Write next to the target under a hidden name first: a data set must never read half a file."""
    part = _part(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        source = member.open()
        assert source is not None, "only plain files are opened"
        with source, part.open("wb") as file:
            while chunk := source.read(member.chunk):
                room.take(len(chunk))
                file.write(chunk)
        part.rename(target)
    except (BadGzipFile, SwellingError):
        raise
    except OSError as error:
        raise DatasetError(
            f"{target.absolute()}: cannot be unpacked there ({error.strerror or error}); make room, or correct the "
            "rights of the folder"
        ) from error
    finally:
        if part.exists():
            part.unlink()
