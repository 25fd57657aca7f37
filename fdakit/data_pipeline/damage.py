"""Damaged videos in training: the damage ledger checked before the first step, and files repaired while reading."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fdakit.dataset_files.damage_ledger import Finding, Ledger
from fdakit.errors import VideoError
from fdakit.settings import LoaderSettings
from fdakit.system.cache_folder import cache_folder
from fdakit.values import Needs, Split, VideoRef
from fdakit.video.damage_survey import Survey, survey_video
from fdakit.video.decode import frame_times


def ledger_path(loader: LoaderSettings | None) -> Path:
    """Return the settings' own ledger, else the one in the cache folder."""
    given = loader.ledger if loader is not None else None
    return given or cache_folder() / "ledger.sqlite"


def known_damage(loader: LoaderSettings, split: Split, *, where: str) -> dict[str, str]:
    """Return the reasons, by id, of the videos that training leaves out by the ledger and `loader.damage`.

    With `fail`, raises `VideoError` with the whole list instead, and warns if the ledger does not know all videos.
    `skip` leaves out every damaged video, `repair` those with no decodable frames. Warns of videos whose order or
    times are not as they state; `where` is the recipe that advice names. Raises `VideoError` if no video is left.
    """
    ledger = Ledger(ledger_path(loader))
    found = ledger.find({video.path for video in split.videos})
    policy = loader.damage
    if policy == "fail":
        _warn_of_unknown(where, split, [video for video in split.videos if video.path not in found])
    _warn_of_remarks(split, [found[path] for path in {video.path for video in split.videos} & found.keys()])
    passable = ("ok", "repaired") if policy == "repair" else ("ok",)
    bad = {
        video.id: _line(video, found[video.path])
        for video in split.videos
        if video.path in found and found[video.path].status not in passable
    }
    if bad and (policy == "fail" or len(bad) == len(split.videos)):
        remedy = 'fix or remove them, or set loader.damage = "skip" or "repair"'
        raise VideoError(
            f"split {split.name!r}: {len(bad)} of {len(split.videos)} videos are damaged, by the ledger "
            f"{ledger.path}; {remedy if policy == 'fail' else 'fetch them again'}\n" + "\n".join(bad.values())
        )
    return bad


def _warn_of_remarks(split: Split, findings: list[Finding]) -> None:
    said = Counter(remark for finding in findings for remark in finding.remarks.splitlines())
    if said:
        lines = "; ".join(f"{count}: {remark}" for remark, count in sorted(said.items()))
        warnings.warn(
            f"split {split.name!r}: some videos are read otherwise than they state: {lines} (`fdakit data check "
            "--json` names them)",
            stacklevel=3,
        )


def _line(video: VideoRef, finding: Finding) -> str:
    part = f"{finding.decoded} of {finding.promised} frames decode: " if finding.decoded else ""
    return f"{video.path.absolute()}: {finding.status}: {part}{finding.reason}"


def _warn_of_unknown(where: str, split: Split, unknown: list[VideoRef]) -> None:
    # Files below the cache folder were just rendered there by a data set of fdakit's.
    ours = cache_folder().absolute()
    missing, count = len([v for v in unknown if ours not in v.path.absolute().parents]), len(split.videos)
    if missing:
        what = f"does not know {missing} of the {count}" if missing < count else f"knows none of the {count}"
        warnings.warn(
            f"the ledger {what} {split.name} videos; `fdakit data check {where}` finds damaged ones before "
            "a run meets them",
            stacklevel=2,
        )


@dataclass(frozen=True)
class DecodableFrames:
    """The usable frames of a segment: `indices (s,)` ascending, their `times (s,)`, and the fault."""

    indices: NDArray[np.int64]
    times: NDArray[np.float64]
    reason: str


class FrameRepair:
    """Finds the decodable frames of damaged files, and caches the result, as it takes a full decode."""

    def __init__(self) -> None:
        self._surveys: dict[Path, Survey] = {}

    def decodable_frames(self, video: VideoRef, needs: Needs) -> DecodableFrames:
        """Return the frames of the segment that decode along with the neighbours needed.

        Raises `VideoError` if there is none, or the file cannot be read at all.
        """
        whole = VideoRef(video.id, video.path)
        if video.path not in self._surveys:
            self._surveys[video.path] = survey_video(whole)
        survey = self._surveys[video.path]
        everywhere, times = frame_times(whole), frame_times(video)
        first = 0 if video.start is None else int(np.searchsorted(everywhere, video.start))
        sound = np.zeros(len(everywhere), np.bool_)
        sound[survey.sound] = True
        places = np.arange(first, first + len(times))
        usable = sound[places]
        for gap in needs.neighbours:
            usable &= sound[np.clip(places + gap, 0, len(sound) - 1)]
        indices = np.flatnonzero(usable)
        if not len(indices):
            raise VideoError(
                f"{video.path.absolute()}: {survey.reason or 'decoding ends early'}; none of the {len(times)} frames "
                f"of video {video.id!r} can be used; replace it or remove it from the data set"
            )
        return DecodableFrames(indices, times[indices], survey.reason)
