"""Moments cut out of videos into files of their own, without loss from a keyframe on, or exactly by encoding anew."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from fdakit.errors import VideoError
from fdakit.system.atomic_files import remove, sync, write_errors
from fdakit.video.probe import FAULTS, error_text

from .clip_sound import ClipSound
from .clip_source import ClipSource, NotCopyableError
from .re_encoding import encode_clip
from .stream_copy import check_copy, copy_clip, fitting_containers
from .times import clock_name

if TYPE_CHECKING:
    from fdakit.plugin.contracts import Progress
    from fdakit.search.found_moments import FoundMoment

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT}
_EARLY = 2.0  # seconds before a moment that are worth a remark
_LONGEST = 150  # bytes of a video's name in the name of a clip
_ODD = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\ud800-\udfff]')


@dataclass(frozen=True)
class CutClip:
    """A clip in a file: the range of the video that it covers, in seconds from the video's first frame.

    `lossless` tells whether it is a copy of the video's own packets; it then begins at a keyframe. `remark` says why
    it could not be copied, what its sound lacks, or that it begins long before the range.
    """

    path: Path
    start: float
    end: float
    lossless: bool
    remark: str = ""


def cut_moments(
    video: Path, ranges: Sequence[tuple[float, float]], folder: Path, *, exact: bool = False
) -> list[CutClip]:
    """Cut ranges, in seconds from the first frame, out of a video into files of a folder, which is created.

    A copy keeps pictures and sound as they are; it begins at the last keyframe at or before the range, and may end a
    few frames after it. Where a copy is impossible, or with `exact`, the frames of the range are encoded as H.264 in
    MP4, upright, with the pixels' aspect and at the times of the video, and the sound as AAC. No file is overwritten.
    Raises `VideoError` if the video cannot be read or has no frame in a range, `FdakitError` if the folder cannot be
    written to.
    """
    source = ClipSource(video)
    try:
        wanted = [(start, end, *source.frames(start, end)) for start, end in ranges]
        with write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return [_cut(source, *one, folder, exact=exact) for one in wanted]
    finally:
        source.close()


def cut_found(
    found: Sequence[FoundMoment],
    folder: Path,
    *,
    exact: bool = False,
    progress: Progress = lambda *_: None,
) -> list[CutClip | str]:
    """Cut the moments of a search, as `cut_moments` does; return the clip of each, or why its video gives none.

    Raises `FdakitError` if the folder cannot be written to.
    """
    videos: dict[Path, list[int]] = {}
    for place, one in enumerate(found):
        videos.setdefault(one.path, []).append(place)
    clips: dict[int, CutClip | str] = {}
    for path, places in videos.items():
        progress("cutting clips", len(clips), len(found))
        ranges = [(found[place].start, found[place].end) for place in places]
        try:
            clips |= dict(zip(places, cut_moments(path, ranges, folder, exact=exact), strict=True))
        except VideoError as error:
            clips |= dict.fromkeys(places, str(error))
    progress("cutting clips", len(found), len(found))
    return [clips[place] for place in range(len(found))]


def _cut(
    source: ClipSource, start: float, end: float, first: int, last: int, folder: Path, *, exact: bool
) -> CutClip:
    name = f"{_plain(source.path.stem)}_{clock_name(start)}-{clock_name(min(end, source.shown_until(last)))}"
    remark = ""
    with _part(folder) as part, write_errors(folder):
        if not exact:
            try:
                return _copied(source, first, last, part, folder, name)
            except NotCopyableError as error:
                remark = f"not copied, as {error}"
        return _encoded(source, first, last, part, folder, name, remark=remark)


def _copied(source: ClipSource, first: int, last: int, part: Path, folder: Path, name: str) -> CutClip:
    plan = source.plan_copy(first, last)
    refused = ""
    for form, ending in fitting_containers(source):
        try:
            with _sound(source, first, last) as sound:
                copy_clip(source, plan, part, form, sound)
                silent = "" if sound is None else sound.remark
            check_copy(source, plan, part, first, last)
        except NotCopyableError as error:
            refused = str(error)
            continue
        except (*FAULTS, ValueError) as error:
            if getattr(error, "errno", None) in _DISK:
                raise
            refused = f"{form} does not hold it ({error_text(error)})"
            continue
        early = float(source.times[first]) - plan.start
        begins = f"begins {early:.1f} s early, at the last keyframe" if early > _EARLY else ""
        remark = "; ".join(filter(None, (begins, silent)))
        return CutClip(_publish(part, folder, name, ending), plan.start, plan.end, lossless=True, remark=remark)
    raise NotCopyableError(refused)


def _encoded(
    source: ClipSource, first: int, last: int, part: Path, folder: Path, name: str, *, remark: str
) -> CutClip:
    until = source.shown_until(last)
    with _sound(source, first, last) as sound:
        try:
            encode_clip(source, first, last, part, end=until, sound=sound)
        except (*FAULTS, ValueError) as error:
            if getattr(error, "errno", None) in _DISK:
                raise
            raise VideoError(f"{source.path}: cannot be encoded: {error_text(error)}") from error
        silent = "its clock jumps, so it has no sound" if sound is None else sound.remark
    remarks = "; ".join(filter(None, (remark, silent)))
    path = _publish(part, folder, name, ".mp4")
    return CutClip(path, float(source.times[first]), until, lossless=False, remark=remarks)


@contextmanager
def _sound(source: ClipSource, first: int, last: int) -> Iterator[ClipSound | None]:
    """Yield the sound of a range; None where the file's clock does not tell what belongs to it."""
    clock = source.clock(first, last)
    if clock is None:
        yield None
        return
    sound = ClipSound(source.path, source.stream, clock)
    try:
        yield sound
    finally:
        sound.close()


@contextmanager
def _part(folder: Path) -> Iterator[Path]:
    """Yield a hidden name to write to; nothing of it stays."""
    part = folder / f".clip.{os.getpid()}.part"
    try:
        yield part
    finally:
        with suppress(OSError):
            remove(part)


def _publish(part: Path, folder: Path, name: str, ending: str) -> Path:
    """Give a finished file its name, or that name with the first number that is free."""
    sync(part)
    for number in count(1):
        path = folder / (f"{name}{ending}" if number == 1 else f"{name}_{number}{ending}")
        try:
            os.link(part, path)
        except FileExistsError:
            continue
        except OSError:  # a file system without hard links
            if path.exists():
                continue
            part.replace(path)
        sync(folder)
        return path
    raise AssertionError


def _plain(name: str) -> str:
    """Return a name that every file system takes, and not too long."""
    plain = _ODD.sub("-", name).lstrip(".-") or "clip"
    return plain.encode()[:_LONGEST].decode(errors="ignore")
