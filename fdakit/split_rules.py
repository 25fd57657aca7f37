"""What the names, captions and protocol of a split must be, whichever data set it comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import isfinite

from .errors import DatasetError

PROTOCOLS = ("single-caption", "multi-caption", "paragraph", "first-caption", "five-captions")
"""What the captions of a split are to its videos: see `fdakit.plugin.Split`."""

CHOSEN = ("first-caption", "five-captions")
"""Those that score some of the captions of a video only: results under them are named by them."""

_MOST = {"single-caption": 1, "paragraph": 1, "first-caption": 1, "five-captions": 5}  # captions of a video


def settled_protocol(split: str, given: str, *, captions: Iterable[tuple[str, str]]) -> str:
    """Return the protocol given, or else the one that follows from the captions, pairs of video id and text.

    Raises `DatasetError` if a video has more captions than the protocol allows.
    """
    counts = Counter(video for video, _ in captions)
    video, most = counts.most_common(1)[0] if counts else ("", 0)
    if not given:
        return "multi-caption" if most > 1 else "single-caption"
    if most > _MOST.get(given, most):
        raise DatasetError(
            f"split {split!r}: protocol {given!r}, but video {video!r} has {most} captions; leave protocol out, or "
            "call it 'multi-caption'"
        )
    return given


def check_text(split: str, *, videos: Iterable[tuple[str, str]], captions: Iterable[tuple[str, str]]) -> None:
    """Raise `DatasetError` where an id or a path is no name of a file, or a caption is no Unicode text.

    `videos` are pairs of id and path: they may hold bytes that are not UTF-8, as `os.fsdecode` keeps them. `captions`
    are pairs of video id and text, and may not.
    """
    for video, path in videos:
        if not (_encodes(video, "surrogateescape") and _encodes(path, "surrogateescape")):
            raise DatasetError(
                f"split {split!r}: video {video!r} at {path!r}: a lone surrogate is in no file name; write it anew "
                "where the data set takes it from"
            )
    for video, text in captions:
        if not _encodes(text, "strict"):
            raise DatasetError(
                f"split {split!r}: a caption of video {video!r} is no Unicode text: {text!r}; save the captions as "
                "UTF-8"
            )


def check_moments(video: str, moments: Iterable[tuple[float, float]]) -> None:
    """Raise `DatasetError` unless all moments of a caption are `(start, end)`, finite, with 0 <= start < end."""
    for start, end in moments:
        if not (0 <= start < end and isfinite(end)):
            raise DatasetError(
                f"a caption of video {video!r}: the moment from {start} to {end} s is none; give seconds from 0, the "
                "end after the start, or leave it out"
            )


def _encodes(text: str, errors: str) -> bool:
    """Return whether a text can be written as UTF-8."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8", errors)
    except UnicodeEncodeError:
        return False
    return True
