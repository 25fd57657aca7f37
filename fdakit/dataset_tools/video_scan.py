"""`fdakit data check`: every file decoded to its end, in isolated processes, with the findings in the ledger."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from fdakit.dataset_files.damage_ledger import Finding, Ledger, Status, mark_of
from fdakit.errors import VideoError
from fdakit.plugin.contracts import Progress
from fdakit.system.process_pool import Failure, run_isolated
from fdakit.values import VideoRef


@dataclass(frozen=True)
class ScanResult:
    """The findings of a scan, by path in the given order; `known` of them were in the ledger and unchanged."""

    findings: Mapping[Path, Finding]
    known: int

    def counts(self) -> dict[str, int]:
        """Return how many files have each status."""
        found = [finding.status for finding in self.findings.values()]
        return {status: found.count(status) for status in get_args(Status)}


def scan_videos(
    paths: Sequence[Path],
    *,
    ledger: Ledger,
    jobs: int,
    time_limit: float,
    again: bool = False,
    progress: Progress,
    look: Callable[[Path], Finding] | None = None,
) -> ScanResult:
    """Scan the files that the ledger does not know in their current state, or all of them with `again`.

    Each finding is stored in the ledger before the next one is reported; a file that takes more than `time_limit`
    seconds (0: no limit) or ends its process is `unreadable`. So is an absent file, but that is not stored. `look` is
    `scan_video` unless another module-level function is given. Raises `FdakitError` if the ledger cannot be used.
    """
    ledger.create()
    known = {} if again else ledger.find(paths)
    marks = {
        path: mark_of(path) for path in paths if path not in known
    }  # before reading, so that a later change is noticed
    found = dict(known)
    progress("checking videos", 0, len(marks))
    for path, outcome in run_isolated(look or scan_video, list(marks), jobs=jobs, time_limit=time_limit):
        finding = Finding("unreadable", outcome.reason) if isinstance(outcome, Failure) else outcome
        found[path], mark = finding, marks[path]
        if mark is not None:
            ledger.write(path, mark, finding)
        progress("checking videos", len(found) - len(known), len(marks))
    return ScanResult({path: found[path] for path in paths}, len(known))


def scan_video(path: Path) -> Finding:
    """Decode a file to its end. Imports the decoder only here, as it runs in a process of its own."""
    from fdakit.video.damage_survey import survey_video

    try:
        survey = survey_video(VideoRef(path.name, path))
    except VideoError as error:
        return Finding("unreadable", without_path(str(error), path))
    decoded = len(survey.sound)
    return Finding(
        status="repaired" if survey.reason or decoded < survey.promised else "ok",
        reason=survey.reason,
        promised=survey.promised,
        decoded=decoded,
        duration=survey.duration,
        codec=survey.codec,
        width=survey.width,
        height=survey.height,
        rotation=survey.rotation,
        remarks="\n".join(survey.remarks),
    )


def without_path(reason: str, path: Path) -> str:
    """Return an error message without the path that it starts with."""
    return reason.removeprefix(f"{path.absolute()}: ")


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
