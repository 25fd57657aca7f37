"""Which files are to be indexed, and how they differ from what an index knows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from glob import has_magic
from hashlib import blake2b
from pathlib import Path

from fdakit.dataset_files.video_files import VIDEO_ENDINGS
from fdakit.errors import DatasetError
from fdakit.system.regular_files import full

_BLOCK = 1 << 16


@dataclass(frozen=True)
class FileState:
    """A file as it was seen: absolute path, bytes, time of its last change in nanoseconds, digest of its content.

    The digest is "" while it is not needed.
    """

    path: str
    size: int
    modified: int
    fingerprint: str = ""

    @property
    def stamp(self) -> tuple[int, int]:
        """What changes with every usual change of the content."""
        return self.size, self.modified


@dataclass(frozen=True)
class Roots:
    """What the user named: folders, of which all videos below are meant, and single files."""

    folders: tuple[str, ...]
    files: tuple[str, ...]

    def cover(self, path: str) -> bool:
        """Return whether a path is one of the files, or below one of the folders."""
        return path in self._named or any(path.startswith(folder.rstrip(os.sep) + os.sep) for folder in self.folders)

    @property
    def _named(self) -> frozenset[str]:
        return frozenset(self.files)


@dataclass(frozen=True)
class Changes:
    """What differs: files to encode, files whose rows stay though path or time changed, and files that are gone.

    `same` maps the path in the index to the file as it is now.
    """

    unchanged: int = 0
    new: tuple[FileState, ...] = ()
    changed: tuple[FileState, ...] = ()
    same: Mapping[str, FileState] = field(default_factory=dict)
    gone: tuple[str, ...] = ()

    @property
    def moved(self) -> int:
        """How many files have another path than the index knows."""
        return sum(old != now.path for old, now in self.same.items())

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.same or self.gone)


def find_roots(given: Sequence[str]) -> Roots:
    """Return what was named: folders, files, and patterns such as `clips/**/*.mp4`; `@list.txt` names one a line.

    Raises `DatasetError` for a name that is nothing of these, or a pattern that nothing fits.
    """
    folders: list[str] = []
    files: list[str] = []
    for name in _listed(given):
        path = Path(name).expanduser().absolute()
        if path.is_dir():
            folders.append(str(path))
        elif path.exists():
            files.append(str(path))
        elif has_magic(name):
            found = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
            matched = [str(one) for one in found if _is_video(one.name) and one.name[0] != "." and one.is_file()]
            if not matched:
                raise DatasetError(f"{name}: no video fits this pattern; wanted {', '.join(VIDEO_ENDINGS[:5])}, ...")
            files += matched
        else:
            raise DatasetError(
                f"{full(path)}: no such file or folder; check the path, or whether its disk is mounted. "
                "Nothing in the index was changed"
            )
    return Roots(tuple(dict.fromkeys(folders)), tuple(dict.fromkeys(files)))


def _listed(given: Iterable[str]) -> Iterator[str]:
    for name in given:
        if not name.startswith("@"):
            yield name
            continue
        path = Path(name[1:])
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"{full(path)}: cannot be read as a list of videos, one a line ({error})") from error
        yield from (line.strip() for line in lines if line.strip() and not line.startswith("#"))


def list_files(roots: Roots, *, told: Callable[[str], None] = lambda _: None) -> list[FileState]:
    """Return the files as they are now, sorted by path, each once. Hidden files and folders are passed over.

    A folder below that cannot be listed is told and passed over, and so is a name that is not UTF-8.
    """
    found: dict[str, FileState] = {}
    for path in roots.files:
        _add(found, path)
    for folder in roots.folders:
        for place, below, names in os.walk(folder, onerror=lambda error: told(f"{error.filename}: {error.strerror}")):
            below[:] = sorted(name for name in below if not name.startswith("."))
            for name in names:
                if _is_video(name) and not name.startswith("."):
                    _add(found, f"{place}{os.sep}{name}")
    for path in [path for path in found if not _is_text(path)]:
        told(f"{os.fsencode(path)!r}: its name is not UTF-8, so it cannot be indexed; rename it")
        del found[path]
    return [found[path] for path in sorted(found)]


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _add(found: dict[str, FileState], path: str) -> None:
    try:
        seen = os.stat(path)  # noqa: PTH116 - a Path for each of many files takes longer than the call
    except OSError:  # it went away meanwhile, or is a link to nothing
        return
    found[path] = FileState(path, seen.st_size, seen.st_mtime_ns)


def _is_video(name: str) -> bool:
    return f".{name.rpartition('.')[2].lower()}" in VIDEO_ENDINGS


def file_fingerprint(path: str) -> str:
    """Return a digest of a file's size and of 64 KiB at its beginning, middle and end, as 32 hexadecimal digits.

    Raises `OSError` if it cannot be read.
    """
    with open(path, "rb") as handle:  # noqa: PTH123 - paths of an inventory are text
        size = handle.seek(0, os.SEEK_END)
        digest = blake2b(str(size).encode(), digest_size=16)
        for place in dict.fromkeys((0, max(0, size // 2 - _BLOCK // 2), max(0, size - _BLOCK))):
            handle.seek(place)
            digest.update(handle.read(_BLOCK))
    return digest.hexdigest()


def find_changes(now: Sequence[FileState], known: Mapping[str, FileState], roots: Roots) -> Changes:
    """Return how the files differ from those that an index knows; only what `roots` cover can be gone.

    Digests are computed of files that are new or whose size or time differs, to know a moved or touched file again.
    """
    present = {file.path for file in now}
    gone = {path: file for path, file in known.items() if path not in present and roots.cover(path)}
    lost_content: dict[tuple[int, str], list[str]] = {}
    for path, file in gone.items():
        lost_content.setdefault((file.size, file.fingerprint), []).append(path)
    new, changed, same, unchanged = [], [], {}, 0
    for file in now:
        before = known.get(file.path)
        if before is not None and before.stamp == file.stamp:
            unchanged += 1
            continue
        seen = _with_fingerprint(file)
        content = seen.size, seen.fingerprint
        if before is not None and content == (before.size, before.fingerprint):
            same[file.path] = seen
        elif before is not None:
            changed.append(seen)
        elif seen.fingerprint and lost_content.get(content):
            old = lost_content[content].pop()
            same[old] = seen
            del gone[old]
        else:
            new.append(seen)
    return Changes(unchanged, tuple(new), tuple(changed), same, tuple(sorted(gone)))


def _with_fingerprint(file: FileState) -> FileState:
    try:
        return replace(file, fingerprint=file_fingerprint(file.path))
    except OSError:  # reading it will say why
        return file
