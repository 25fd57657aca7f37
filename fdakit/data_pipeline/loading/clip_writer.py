"""Clips written into the memory of batches: what a loader worker does, and this process where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.errors import FdakitError
from fdakit.values import UnreadableVideo, VideoRef

from .batch_memory import BatchLayout, ClipFacts, Views, write_clip


@dataclass(frozen=True)
class WriteRequest:
    """A clip, and the slot and row of it that the clip is to be written to."""

    clip: ClipRequest
    slot: int
    row: int


class ClipWriter:
    """Reads clips of a data set into batches of one layout; memory is made known by `heed((slot, memory))`."""

    def __init__(self, clips: ClipDataset, layout: BatchLayout) -> None:
        self._clips, self._layout = clips, layout
        self._views: dict[int, Views] = {}
        self.news: list[Any] = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_views": {}, "news": []}

    @property
    def videos(self) -> tuple[VideoRef, ...]:
        """The videos of the data set."""
        return self._clips.videos

    @property
    def left_out(self) -> dict[str, str]:
        """The reasons by id of videos that are not read."""
        return self._clips.left_out

    @property
    def time_limit(self) -> float:
        """The seconds that a worker may take for a video; 0: no limit."""
        return self._clips.time_limit

    @property
    def on_read(self) -> Callable[[VideoRef], None] | None:
        """Called with each video whose file is about to be read."""
        return self._clips.on_read

    @on_read.setter
    def on_read(self, told: Callable[[VideoRef], None] | None) -> None:
        self._clips.on_read = told

    def heed(self, news: Any) -> None:
        """Take the memory of a slot."""
        slot, memory = news
        self._views[slot] = self._layout.views(memory)

    def rest(self) -> None:
        """Load the tokeniser of captions, if it is yet to be."""
        self._clips.captions.load()

    def __getitem__(self, asked: WriteRequest) -> ClipFacts | UnreadableVideo | FdakitError:
        """Write a clip and return what is not written; errors are returned, to be raised by the caller."""
        item = self._clips[asked.clip]
        if isinstance(item, FdakitError | UnreadableVideo):
            return item
        try:
            return write_clip(item, self._layout.contents, self._views[asked.slot], asked.row)
        except FdakitError as error:
            return error
