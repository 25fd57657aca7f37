"""Windows of time in annotations: which of them can be true, and the form of QVHighlights' files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from fdakit.values import Caption, PublishedCounts, Split, VideoRef

from .counts import count_remarks
from .table_rows import read_table_rows, row_error
from .video_files import find_videos

_WANTED = {
    "qid": "a whole number, or text",
    "query": "text",
    "vid": "the name of a video",
    "duration": "seconds",
    "relevant_windows": "a list of [start, end] in seconds",
}

Windows = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class MomentQuery:
    """One line of an annotation file: a query, its video, and the windows it describes, in seconds as written.

    `duration` is that of the video, None if the file does not state it; `windows` is None where the file has no key
    `relevant_windows`, as that of a test split.
    """

    id: str
    line: int
    text: str
    video: str
    duration: float | None
    windows: Windows | None


class MomentCheck:
    """Keeps of annotated windows what can be true, and counts the others for remarks.

    A window that does not end after it starts is left out, and so is one that starts after its video has ended. One
    that begins before 0 or ends after its video is cut, where the annotations state the duration.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._faults: Counter[str] = Counter()

    def __call__(self, windows: Sequence[tuple[float, float]], *, duration: float | None = None) -> Windows:
        """Return the windows of one caption, each with 0 <= start < end, in their order."""
        kept = [self._kept(start, end, duration) for start, end in windows]
        return tuple(window for window in kept if window is not None)

    def remarks(self, split: str) -> tuple[str, ...]:
        """Return what was left out or cut so far, a sentence for each kind; empty if nothing was."""
        return tuple(f"{split}: {count:,} of {self._seen:,} moments {what}" for what, count in self._faults.items())

    def _kept(self, start: float, end: float, duration: float | None) -> tuple[float, float] | None:
        self._seen += 1
        last = inf if duration is None else duration
        if end <= start:
            self._faults["do not end after they start, left out"] += 1
        elif end <= 0 or start >= last:
            self._faults["lie outside of their video, left out"] += 1
        else:
            if start < 0 or end > last:
                self._faults["reach beyond their video, cut to it"] += 1
            return max(0.0, start), min(end, last)
        return None


def moment_split(
    name: str, captions: Sequence[Caption], folder: Path, *, official: PublishedCounts, remarks: Sequence[str]
) -> Split:
    """Return the split of captions with moments and of the videos that they name, whose files lie below `folder`.

    Its remarks begin with how far the counts are from those published. Raises `DatasetError` as `find_videos` does.
    """
    ids = tuple(dict.fromkeys(caption.video_id for caption in captions))
    files = find_videos(folder, ids)
    counted = count_remarks(name, videos=len(ids), captions=len(captions), official=official)
    return Split(
        name=name,
        videos=tuple(VideoRef(video, files[video]) for video in ids),
        captions=tuple(captions),
        protocol="multi-caption",
        official=official,
        remarks=(*counted, *remarks),
    )


def parse_windows(value: Any) -> Windows | None:
    """Return windows read from JSON, `[[start, end], ...]` in finite numbers; None if the value is anything else."""
    if not isinstance(value, list):
        return None
    for window in value:
        if not (isinstance(window, list) and len(window) == 2 and all(map(is_seconds, window))):
            return None
    return tuple((float(start), float(end)) for start, end in value)


def is_seconds(value: Any) -> bool:
    """Return whether a value read from JSON is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def read_moment_queries(path: Path) -> tuple[MomentQuery, ...]:
    """Return the queries of a file in QVHighlights' form: `.jsonl`, an object a line, at least one.

    Wanted are `qid` (text or a whole number), `query` and `vid`; `duration` and `relevant_windows`, a list of
    `[start, end]`, may be absent; other keys are ignored. Raises `DatasetError` with the line if something else is
    found, or a `qid` is repeated.
    """
    found: dict[str, MomentQuery] = {}
    for row in read_table_rows(path, ("qid", "query", "vid")):
        query = _query(path, row.line, row.fields)
        if query.id in found:
            raise row_error(
                path.absolute(), row.line, f"qid {query.id} is that of line {found[query.id].line} too; keep one"
            )
        found[query.id] = query
    return tuple(found.values())


def query_id(value: Any) -> str | None:
    """Return a `qid` as text; None unless it is a whole number or text that is not blank."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def _query(path: Path, line: int, fields: Mapping[str, Any]) -> MomentQuery:
    name, duration, windows = query_id(fields["qid"]), fields.get("duration"), fields.get("relevant_windows")
    sound = {
        "qid": name is not None,
        "query": isinstance(fields["query"], str),
        "vid": isinstance(fields["vid"], str) and bool(fields["vid"].strip()),
        "duration": duration is None or (is_seconds(duration) and duration > 0),
        "relevant_windows": windows is None or parse_windows(windows) is not None,
    }
    for key in (key for key in sound if not sound[key]):
        found = str(fields[key])[:60]
        raise row_error(path.absolute(), line, f"{key} is {found!r}; wanted {_WANTED[key]}; fetch the file again")
    told = None if windows is None else parse_windows(windows)
    return MomentQuery(str(name), line, fields["query"], fields["vid"].strip(), duration, told)
