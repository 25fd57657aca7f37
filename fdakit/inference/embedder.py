"""Encoding of videos into vectors, any number at a time: each distinct one once, with warnings of unreadable ones."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from os.path import isdir

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.choices import Control
from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest, batches
from fdakit.data_pipeline.collate import LoadedBatch
from fdakit.dataset_files.video_files import is_there
from fdakit.errors import VideoError
from fdakit.model.retriever import Retriever
from fdakit.plugin.contracts import Progress
from fdakit.recipe.recipe import Recipe
from fdakit.system.devices import autocast
from fdakit.values import Clip

from .video_inputs import VideoInput, as_video_input, reading_from

_NAMED = 5  # videos whose reasons a warning includes


class VideoEncoding:
    """Accepts videos, some at a time, and returns all unit vectors at the end."""

    def __init__(
        self,
        recipe: Recipe,
        model: Retriever,
        *,
        device: torch.device,
        control: Control,
        skips: bool,
        size: int,
        tell: Progress,
    ) -> None:
        self._recipe, self._model, self._device = recipe, model, device
        self._control, self._skips, self._size, self._tell = control, skips, size, tell
        self._clips: dict[str, Clip] = {}  # current in-memory videos, by id
        self._source = ClipDataset(
            replace(recipe, parts={**recipe.parts, "reader": reading_from(self._clips, recipe.parts["reader"])}),
            (),
            training=False,
            preprocess=model.preprocess,
            shapes=replace(model.encoder.shapes, device=str(device)),
            controls=(control,),
            keep=False,  # callers who want vectors did not ask for files on disk
        )
        self._rows: dict[object, int] = {}  # by content
        self._ids: set[str] = set()
        self._order: list[int] = []  # the row of each given video
        self._vectors: list[NDArray[np.float32]] = []
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

    def finish(self) -> NDArray[np.float32]:
        """Return the vectors `(v, d)` in the order of the videos, and warn of unreadable or repaired ones."""
        if self._lost:
            gone = [place for place, row in enumerate(self._order) if row in self._lost]
            reasons = [f"{place}: {self._lost[self._order[place]]}" for place in gone]
            counted = f"{len(gone)} of {len(self._order)} videos could not be read; their rows are NaN"
            warnings.warn(_unread_note(counted, reasons), stacklevel=3)
        if self._repaired:
            counted = f"{len(self._repaired)} of {len(self._rows)} videos are damaged; frames that decode were used"
            warnings.warn(_unread_note(counted, self._repaired), stacklevel=3)
        if not self._vectors:
            return np.zeros((0, self._model.encoder.shapes.embedding), np.float32)
        return np.concatenate(self._vectors)[self._order]

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
        made = np.full((len(videos), self._model.encoder.shapes.embedding), np.nan, np.float32)
        for batch in batches(self._source, self._plan(), workers=0, prefetch=1):
            self._refuse(video.reason for video in batch.lost)
            lost |= {video.id: video.reason for video in batch.lost}
            for name, fault in batch.repaired.items():
                self._repaired.append(f"{videos[rows[name]].ref.path.absolute()}: {fault}")
            if batch.ids:
                made[[rows[name] for name in batch.ids]] = self._encoded(batch)
            done += len(batch.ids) + len(batch.lost)
            self._tell("encoding videos", done, len(self._rows))
        self._lost |= {first + rows[name]: reason for name, reason in lost.items()}
        self._vectors.append(made)

    def _plan(self) -> list[list[ClipRequest]]:
        count = len(self._source.videos)
        return [[ClipRequest(i) for i in range(k, min(k + self._size, count))] for k in range(0, count, self._size)]

    def _encoded(self, batch: LoadedBatch) -> NDArray[np.float32]:
        device = self._device
        alpha = batch.alphas[self._control].to(device)
        with autocast(device, self._recipe.train.precision):
            features = self._model.encode_frames(batch.frames.to(device), alpha, batch.valid.to(device))
            return unit(self._model.video_vectors(features))

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


def unit(vectors: torch.Tensor) -> NDArray[np.float32]:
    """Return vectors normalised to length 1, float32 in numpy."""
    return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
