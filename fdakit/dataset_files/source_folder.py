"""The folder of a data set compared with its file list: what is there, and where the rest belongs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from fdakit.errors import DatasetError
from fdakit.system.digests import file_sha256
from fdakit.values import SourceFile

from .layout import locate_source
from .video_files import VIDEO_ENDINGS

Digest = Literal["equal", "differs", "unknown"]
"""Whether a file is one of the known copies; unknown if there is no known copy under that name."""

_DEEPEST = 3  # nesting of folders of an archive that was unpacked by hand


@dataclass(frozen=True)
class FoundSource:
    """A file or folder of the layout, and what of it exists.

    `path` is the first existing of its names, `digest` whether a file is a known copy; `videos` are those below a
    folder, by path. `hidden` names other folders that hold files and are not searched, because one without videos
    comes first. `deeper` is the actual location of an absent one, too far down to be searched: an archive was
    unpacked by hand.
    """

    source: SourceFile
    path: Path | None
    digest: Digest | None = None
    videos: tuple[Path, ...] = ()
    hidden: tuple[str, ...] = ()
    deeper: Path | None = None

    @property
    def absent(self) -> bool:
        """Whether there is nothing, or an empty folder."""
        return self.path is None or (is_folder(self.source) and not self.videos)

    @cached_property
    def by_name(self) -> Mapping[str, Path]:
        """The videos by file name; for several of a name, the first by path."""
        return {path.name: path for path in reversed(self.videos)}


def is_folder(source: SourceFile) -> bool:
    """Return whether a source is a folder: its name has no suffix."""
    return not PurePosixPath(source.path).suffix


def find_sources(
    root: Path, sources: Sequence[SourceFile], *, elsewhere: Mapping[str, Path] | None = None
) -> tuple[FoundSource, ...]:
    """Return what of the sources exists. `elsewhere` maps the paths of some to other locations.

    Files with known copies are read, to compare; of videos only the names are listed. Raises `DatasetError` if a file
    cannot be read.
    """
    moved = elsewhere or {}
    found = tuple(_find(root, source, moved.get(source.path)) for source in sources)
    lost = [each.source for each in found if each.absent and each.source.path not in moved]
    deeper = _deeper(root, lost) if lost else {}
    return tuple(replace(each, deeper=deeper.get(each.source.path)) for each in found)


def make_folders(root: Path, found: Sequence[FoundSource]) -> tuple[Path, ...]:
    """Create the root and those folders that exist under none of their names; return what was created.

    Raises `DatasetError` if that fails.
    """
    wanted = [root, *(root / each.source.path for each in found if each.path is None and is_folder(each.source))]
    made = [path for path in dict.fromkeys(wanted) if not path.is_dir()]
    for path in made:
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise DatasetError(
                f"{path.absolute()}: the folder cannot be made ({error.strerror}); name another with --root"
            ) from error
    return tuple(made)


def place_member(root: Path, found: Sequence[FoundSource], archive: Path, member: PurePosixPath) -> Path | None:
    """Return where a member of an archive belongs, or None if no source of the data set needs it.

    A missing file is identified by the end of its path, a video by its suffix; a video belongs to an existing file of
    the same name. If the root itself is the folder of videos, everything in the archive belongs into a folder of the
    archive's name.
    """
    if not member.parts or any(
        (part.startswith(".") and part != "..") or part == "__MACOSX" for part in member.parts
    ):
        return None
    for each in found:
        name = name_of(each.source, member)
        if name is not None and not is_folder(each.source) and each.path is None:
            return root / name
    folders = [each for each in found if is_folder(each.source)]
    if any(each.source.path == "." for each in folders):
        return root / archive.name.partition(".")[0] / member
    if not folders or member.suffix.lower() not in VIDEO_ENDINGS:
        return None
    return _place_video(root, folders, member)


def _place_video(root: Path, folders: Sequence[FoundSource], member: PurePosixPath) -> Path:
    """Return a path below the folder that the member's own path names, else the first one, without that name."""
    for each in folders:
        for name in (each.source.path, *each.source.others):
            rest = _behind(PurePosixPath(name), member)
            if rest is not None:
                return _member_path(root, each, rest)
    return _member_path(root, folders[0], member)


def _member_path(root: Path, folder: FoundSource, rest: PurePosixPath) -> Path:
    return folder.by_name.get(rest.name) or (folder.path or root / folder.source.path) / rest


def _behind(name: PurePosixPath, member: PurePosixPath) -> PurePosixPath | None:
    """Return what follows the folder `name` in a member's path, or None if it is not in it."""
    count = len(name.parts)
    for start in range(len(member.parts) - count):
        if member.parts[start : start + count] == name.parts:
            return PurePosixPath(*member.parts[start + count :])
    return None


def name_of(source: SourceFile, member: PurePosixPath) -> str | None:
    """Return the name of a source with which the path of a member, or of a file, ends."""
    for name in (source.path, *source.others):
        parts = PurePosixPath(name).parts
        if parts and member.parts[-len(parts) :] == parts:
            return name
    return None


def _find(root: Path, source: SourceFile, elsewhere: Path | None) -> FoundSource:
    path = elsewhere if elsewhere is not None else locate_source(root, source)
    if path is None or not path.exists():
        return FoundSource(source, None)
    if not path.is_dir():
        return FoundSource(source, path, _digest(path, source))
    videos = tuple(_videos_below(path))
    others = [root / name for name in source.others] if elsewhere is None and not videos else []
    hidden = tuple(other.name for other in others if other != path and other.is_dir() and any(other.iterdir()))
    return FoundSource(source, path, None, videos, hidden)


def _deeper(root: Path, sources: Sequence[SourceFile]) -> dict[str, Path]:
    """Return sources below other folders of the root, by their path: files, and folders with videos."""
    found: dict[str, Path] = {}
    for place, folders, names in os.walk(root):
        here = Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        if len(here.relative_to(root).parts) >= _DEEPEST:
            folders[:] = []
        for source in sources:
            lying = folders if is_folder(source) else sorted(names)
            for path in (here / name for name in lying if source.path not in found):
                named = name_of(source, PurePosixPath(path.relative_to(root).as_posix()))
                if named is not None and path != root / named and (path.is_file() or any(_videos_below(path))):
                    found[source.path] = path
    return found


def _digest(path: Path, source: SourceFile) -> Digest:
    if not source.sha256:
        return "unknown"
    equal = file_sha256(path, error=DatasetError, advice="correct its rights or fetch it again") in source.sha256
    # There need not be digests of every version that circulates under another name.
    return "equal" if equal else "differs" if path.name == PurePosixPath(source.path).name else "unknown"


def _videos_below(folder: Path) -> Iterator[Path]:
    """Yield video files below a folder as `find_videos` does: following links, without hidden names."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = os.path.realpath(place)
        if here in seen:  # links may be cyclic
            folders[:] = []
            continue
        seen.add(here)
        yield from (
            Path(place, name)
            for name in sorted(names)
            if not name.startswith(".") and PurePosixPath(name).suffix.lower() in VIDEO_ENDINGS
        )
