"""Encoding of any videos, some at a time: each distinct one once, with warnings of unreadable ones."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from os.path import isdir

import torch

from fdakit.choices import Control
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.loading.clip_loader import batches
from fdakit.dataset_files.video_files import is_there
from fdakit.errors import VideoError
from fdakit.features import VideoFeatures
from fdakit.model.retriever import Retriever
from fdakit.plugin.contracts import Progress
from fdakit.values import Clip

from .embedder import Embedder
from .video_inputs import VideoInput, as_video_input, reading_from

_NAMED = 5  # videos whose reasons a warning includes


class VideoEncoding:
    """Accepts videos, some at a time, and returns the features of all at the end."""

    def __init__(
        self,
        clips: ClipSettings,
        model: Retriever,
        *,
        precision: str,
        device: torch.device,
        control: Control,
        skips: bool,
        size: int,
        tell: Progress,
    ) -> None:
        self._embedder = Embedder(model, device=device, precision=precision, progress=tell)
        self._control, self._skips, self._size, self._tell = control, skips, size, tell
        self._width = model.encoder.shapes.embedding
        self._clips: dict[str, Clip] = {}  # current in-memory videos, by id
        self._source = ClipDataset(
            replace(clips, reader=reading_from(self._clips, clips.reader)),
            (),
            training=False,
            preprocess=model.preprocess,
            shapes=replace(model.encoder.shapes, device=str(device)),
            controls=(control,),
            device_needs=model.mask_needs,
            keep=False,  # callers who want vectors did not ask for files on disk
        )
        self._rows: dict[object, int] = {}  # by content
        self._ids: set[str] = set()
        self._order: list[int] = []  # the row of each given video
        self._features: list[VideoFeatures] = []
        self._encoded: list[int] = []  # rows, in the order of their features
        self._lost: dict[int, str] = {}  # reasons by row
        self._repaired: list[str] = []

    def add(self, values: Iterable[object]) -> None:
        """Encode the videos among further values. Raises `VideoError` unless it skips."""
        fresh = []
        for place, value in enumerate(values, len(self._order)):
            video = as_video_input(value, place)
            content = object() if video.clip is not None else video.ref.content  # clips in memory are not compared
            if content not in self._rows:
                self._rows[content] = len(self._rows)
                fresh.append(self._named(video))
            self._order.append(self._rows[content])
        if fresh:
            self._encode(fresh)

    def finish(self) -> VideoFeatures | None:
        """Return the features in the order of the videos, none of no video; warn of unreadable or repaired ones.

        An unreadable video has no valid vector.
        """
        if self._lost:
            gone = [place for place, row in enumerate(self._order) if row in self._lost]
            reasons = [f"{place}: {self._lost[self._order[place]]}" for place in gone]
            counted = f"{len(gone)} of {len(self._order)} videos could not be read; their rows are NaN"
            warnings.warn(_unread_note(counted, reasons), stacklevel=4)
        if self._repaired:
            counted = f"{len(self._repaired)} of {len(self._rows)} videos are damaged; frames that decode were used"
            warnings.warn(_unread_note(counted, self._repaired), stacklevel=4)
        if not self._order:
            return None
        if not self._features:
            return VideoFeatures.of_clips(torch.zeros(len(self._order), self._width)).without_vectors()
        rows = {row: place for place, row in enumerate(self._encoded)}
        index = torch.tensor([rows.get(row, -1) for row in self._order])
        return VideoFeatures.cat(self._features).rows(index)

    def _named(self, video: VideoInput) -> VideoInput:
        """Return the video under a unique id. It keys random masks, so it is unchanged if possible."""
        name, number = video.ref.id, 2
        while name in self._ids:
            name, number = f"{video.ref.id} ({number})", number + 1
        self._ids.add(name)
        return VideoInput(replace(video.ref, id=name), video.clip and replace(video.clip, id=name))

    def _encode(self, videos: Sequence[VideoInput]) -> None:
        first = len(self._rows) - len(videos)
        rows = {video.ref.id: row for row, video in enumerate(videos)}
        lost = {video.ref.id: reason for video in videos if (reason := _absence(video))}
        self._refuse(lost.values())
        self._clips.clear()
        self._clips.update((video.ref.id, video.clip) for video in videos if video.clip is not None)
        self._source.videos = tuple(video.ref for video in videos if video.ref.id not in lost)
        done = first + len(lost)
        for batch in batches(self._source, self._plan(), workers=0, prefetch=1):
            self._refuse(video.reason for video in batch.lost)
            lost |= {video.id: video.reason for video in batch.lost}
            for name, fault in batch.repaired.items():
                self._repaired.append(f"{videos[rows[name]].ref.path.absolute()}: {fault}")
            if batch.ids:
                self._features.append(self._embedder.batch(batch)[self._control])
                self._encoded += [first + rows[name] for name in batch.ids]
            done += len(batch.ids) + len(batch.lost)
            self._tell("encoding videos", done, len(self._rows))
        self._lost |= {first + rows[name]: reason for name, reason in lost.items()}

    def _plan(self) -> list[list[ClipRequest]]:
        count = len(self._source.videos)
        return [[ClipRequest(i) for i in range(k, min(k + self._size, count))] for k in range(0, count, self._size)]

    def _refuse(self, reasons: Iterable[str]) -> None:
        found = list(reasons)
        if found and not self._skips:
            raise VideoError("\n".join([*found, 'encode_videos(..., on_error="skip") continues without such videos']))


def _absence(video: VideoInput) -> str:
    path = video.ref.path
    if video.clip is not None or is_there(path):
        return ""
    if isdir(path):  # noqa: PTH112 - Path.is_dir raises where a name is too long
        return f"{path.absolute()}: a folder; give the files in it, as sorted(Path({str(path)!r}).iterdir())"
    return f"{path.absolute()}: no such file; check the path"


def _unread_note(counted: str, reasons: Sequence[str]) -> str:
    more = f"; and {len(reasons) - _NAMED} more" if len(reasons) > _NAMED else ""
    return f"{counted}: {'; '.join(reasons[:_NAMED])}{more}"
