"""The main process's end of a loader worker: what it was given, what it knows, and what it reads now."""

from __future__ import annotations

import math
import pickle
from typing import Any

from fdakit.system.piped_process import PipedProcess
from fdakit.system.process_pool import WakingClock
from fdakit.values import VideoRef

from .reading_worker import Hear, Meet, Read, Source, serve


class Introduced:
    """A source that workers may be given draws of, under its number, as it is pickled now."""

    def __init__(self, number: int, source: Source) -> None:
        self.number, self.source = number, source
        self.videos, self.left_out = source.videos, len(source.left_out)
        self.pickled = pickle.dumps(source)


class CrewWorker:
    """A worker process; `tasks` are the draws that it has not finished, by plan and place."""

    def __init__(self, clock: WakingClock) -> None:
        self.process = PipedProcess(serve)
        self.pipe = self.process.pipe
        self.tasks: dict[tuple[int, int], Any] = {}
        self.reading: tuple[Source, VideoRef] | None = None
        self.limit = 0.0
        self._clock, self._deadline = clock, math.inf
        self._told: dict[int, tuple[int, int]] = {}  # by source: how many videos left out, how much news

    def knows(self, source: Introduced) -> bool:
        """Return whether it was given the source itself."""
        return source.number in self._told

    def give(self, source: Introduced, plan: int, draws: list[tuple[int, Any]]) -> None:
        """Send draws, and before them the source, or what is new of it."""
        if not self.knows(source):
            self._say(Meet(source.number, source.pickled))
            self._told[source.number] = (source.left_out, 0)
        gone, news = self._told[source.number]
        left_out, listed = source.source.left_out, source.source.news
        if gone < len(left_out) or news < len(listed):
            self._say(Hear(source.number, dict(left_out), listed[news:]))
            self._told[source.number] = (len(left_out), len(listed))
        self._say(Read(source.number, plan, draws))

    def _say(self, message: Any) -> None:
        try:
            self.pipe.send(message)
        except OSError:
            return  # it has just died, which the next read of the pipe will show

    def begins(self, source: Source, video: VideoRef) -> None:
        """Note that it reads a video; its time starts."""
        self.reading, self.limit = (source, video), source.time_limit
        self._deadline = self._clock.now + self.limit if self.limit else math.inf

    def rests(self) -> None:
        """Note that it has read."""
        self.reading, self._deadline = None, math.inf

    def left(self) -> float:
        """Return the seconds until the time limit."""
        return max(0.0, self._deadline - self._clock.now)

    def leave_out(self, reason: str) -> None:
        """Have the video that it reads counted as unreadable."""
        if self.reading is not None:
            source, video = self.reading
            source.left_out[video.id] = f"{video.path.absolute()}: {reason}"
