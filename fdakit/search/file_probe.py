"""What must be known of a file before its segments can be read: how long it is, and where it is cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.errors import VideoError
from fdakit.values import UnreadableVideo, VideoRef
from fdakit.video.decode import OpenVideo

from .segment_rules import shot_windows, windows
from .shot_cuts import cut_times
from .table.index_info import Segmentation
from .table.segment_rows import Segment, VideoFacts


@dataclass(frozen=True)
class ProbedFile:
    """A readable file: its facts, and its segments, each with at least one frame."""

    facts: VideoFacts
    segments: tuple[Segment, ...]


class FileProbe:
    """Probes files by their place in `videos`, in this process or in loader workers."""

    def __init__(self, segmentation: Segmentation, videos: Sequence[VideoRef], *, time_limit: float) -> None:
        self.videos = tuple(videos)
        self.left_out: dict[str, str] = {}
        self.time_limit = time_limit
        self.on_read: Callable[[VideoRef], None] | None = None
        self.news: list[Any] = []
        self._segmentation = segmentation

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "on_read": None}

    def heed(self, news: Any) -> None:
        """There are no news."""

    def rest(self) -> None:
        """There is nothing that can wait."""

    def __getitem__(self, place: int) -> ProbedFile | UnreadableVideo:
        """Return the facts and segments of a file; an `UnreadableVideo` if it cannot be read."""
        video = self.videos[place]
        if video.id in self.left_out:
            return UnreadableVideo(video.id, self.left_out[video.id])
        if self.on_read is not None:
            self.on_read(video)
        try:
            return probe_file(video.path, self._segmentation)
        except VideoError as error:
            return UnreadableVideo(video.id, str(error))


def probe_file(path: Path, segmentation: Segmentation) -> ProbedFile:
    """Return the facts and segments of a file. Raises `VideoError` if it cannot be read."""
    with OpenVideo(VideoRef(path.name, path)) as opened:
        times = opened.times()
        height, width = opened.coded_size
        steps = np.diff(times)
        frame = float(np.median(steps)) if len(steps) else 0.04
        duration = float(times[-1]) + frame
        ranges = windows(duration, window=segmentation.window, step=segmentation.step)
        if segmentation.cuts:
            cuts = cut_times(opened)
            ranges = shot_windows(duration, cuts, window=segmentation.window, step=segmentation.step)
    facts = VideoFacts(duration, width, height, 1 / frame if frame > 0 else 0.0)
    there = [(start, end) for start, end in ranges if _frames_in(times, start, end)]
    return ProbedFile(facts, tuple(Segment(number, start, end) for number, (start, end) in enumerate(there)))


def _frames_in(times: NDArray[np.float64], start: float, end: float) -> bool:
    return bool(np.searchsorted(times, start) < np.searchsorted(times, end))
