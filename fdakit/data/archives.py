"""Archives as they are downloaded: what is wanted comes out of them, nothing else, and never over a file.

Nothing is extracted by its own name or with its own rights: each wanted member is copied to a path that the caller
gives, so links, devices and names that lead elsewhere can do nothing.
"""

from __future__ import annotations

import os
import re
import shutil
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
from typing import IO

from fdakit.contracts import Progress
from fdakit.errors import DatasetError

ARCHIVE_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")

Place = Callable[[PurePosixPath], Path | None]
"""Where a member of an archive, by its path in it, belongs; None where it is not wanted."""

_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, BadGzipFile, NotImplementedError)
_MB = 20  # bits
_LONGEST_NAME = 255  # bytes, on all common file systems


@dataclass(frozen=True)
class Unpacked:
    """What came of an archive: files written, how many wanted ones lay there already, and what was left out.

    `refused` names members that were wanted and are no plain files or lead elsewhere, each with the reason; `fault`
    is why reading stopped, "" where the archive was read to its end.
    """

    archive: Path
    files: tuple[Path, ...] = ()
    already: int = 0
    refused: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True)
class _Member:
    """A member that is no folder; `odd` says what it is where it is no plain file."""

    name: str
    odd: str
    open: Callable[[], IO[bytes] | None]
    done: int


def archives_in(folder: Path) -> tuple[Path, ...]:
    """The archives directly in the folder, by name; hidden ones do not count."""
    found = (path for path in folder.iterdir() if path.name.lower().endswith(ARCHIVE_ENDINGS))
    return tuple(sorted(path for path in found if not path.name.startswith(".") and path.is_file()))


def unpack(archive: Path, place: Place, *, progress: Progress) -> Unpacked:
    """Copy the members that `place` wants to where it says, each whole or not at all, none over an existing file.

    Ctrl-C leaves whole files. An archive that is damaged, or still being downloaded, gives what can be read of it.
    Raises `DatasetError` where it cannot be opened, or a file cannot be written.
    """
    files: list[Path] = []
    refused: list[str] = []
    already, fault = 0, ""
    total = archive.stat().st_size >> _MB
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
                    _copy(member, target)
                    files.append(target)
    except _DAMAGE as error:
        fault = (str(error) or type(error).__name__).partition(":\n")[0]  # tarfile goes on with each kind it tried
    except OSError as error:
        raise DatasetError(f"{archive.absolute()}: cannot be read ({error.strerror}); correct its rights") from error
    return Unpacked(archive, tuple(files), already, tuple(refused), fault)


def _odd_path(path: PurePosixPath) -> str:
    if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", str(path)):
        return "its path leads out of the archive's folder"
    return ""


def _odd_name(target: Path) -> str:
    return "its name is too long" if len(os.fsencode(_part(target).name)) > _LONGEST_NAME else ""


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _tar_members(archive: Path) -> Generator[_Member]:
    with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:*") as tar:
        for member in tar:
            if not member.isdir():
                kind = "a link" if member.issym() or member.islnk() else "no plain file"
                odd = "" if member.isreg() else kind
                yield _Member(member.name, odd, partial(tar.extractfile, member), raw.tell())


def _zip_members(archive: Path) -> Generator[_Member]:
    with zipfile.ZipFile(archive) as found:
        for info in found.infolist():
            if info.is_dir():
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where it was packed without Unix rights
            odd = "a link" if kind == stat.S_IFLNK else "" if kind in (0, stat.S_IFREG) else "no plain file"
            if info.flag_bits & 1:
                odd = odd or "encrypted"
            yield _Member(info.filename, odd, partial(found.open, info), info.header_offset)


def _copy(member: _Member, target: Path) -> None:
    """Write beside the target under a hidden name first: a data set must never meet half a file."""
    part = _part(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        source = member.open()
        assert source is not None, "only plain files are opened"
        with source, part.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << _MB)
        part.rename(target)
    except BadGzipFile:
        raise
    except OSError as error:
        raise DatasetError(
            f"{target.absolute()}: cannot be unpacked there ({error.strerror or error}); make room, or correct the "
            "rights of the folder"
        ) from error
    finally:
        if part.exists():
            part.unlink()
