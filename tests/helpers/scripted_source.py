"""A source of the loader's workers that reads no files: what becomes of a draw is in the name of its video."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fdakit.plugin import VideoRef


class ScriptedSource:
    """Gives `(pid, name, news)` for each draw, an index of `names`: "die 11" dies, "hang" hangs, "raise" raises.

    What is read is logged, a line a draw: its name, and the process. `weight` bytes make it heavy to send.
    """

    def __init__(self, names: Sequence[str], log: Path, *, limit: float = 0.0, weight: int = 0) -> None:
        self.videos = tuple(VideoRef(name, log) for name in names)
        self.left_out: dict[str, str] = {}
        self.time_limit = limit
        self.on_read: Callable[[VideoRef], None] | None = None
        self.news: list[Any] = []
        self._heard: list[Any] = []
        self._log, self._weight = log, os.urandom(weight)

    def __getitem__(self, draw: int) -> tuple[int, str, tuple[Any, ...]]:
        video = self.videos[draw]
        if video.id in self.left_out:
            return os.getpid(), f"lost {video.id}", tuple(self._heard)
        if self.on_read is not None:
            self.on_read(video)
        with self._log.open("a") as log:
            log.write(f"{video.id} by {os.getpid()}\n")
        what, _, value = video.id.partition(" ")
        if what == "die":
            os.kill(os.getpid(), int(value))
        if what == "hang":
            time.sleep(600)
        if what == "raise":
            raise ValueError("as asked")
        return os.getpid(), video.id, tuple(self._heard)

    def heed(self, news: Any) -> None:
        self._heard.append(news)

    def rest(self) -> None:
        pass


class Unloadable:
    """Something that is pickled, and cannot be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.kill, (os.getpid(), int(signal.SIGCONT), "one argument too many")
