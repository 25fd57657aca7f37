"""The clip data set: clips read, transformed, masked and batched, in this process or in workers."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import Control
from fdakit.errors import FdakitError, PartError, VideoError
from fdakit.mask_ops.controls import apply_control, partner_of
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Preprocess
from fdakit.recipe.recipe import Recipe
from fdakit.values import UnreadableVideo, VideoRef

from .cache_use import vanished
from .clip_pipeline import ClipPipeline, ClipPipelineConfig
from .collate import (
    ClipItem,  # re-exported for callers of the data set
    Collate,
    LoadedBatch,
)
from .frame_store import MaskedClip
from .worker_pool import read_in_workers


@dataclass(frozen=True)
class ClipRequest:
    """A requested clip: the epoch keys its randomness; in training, `text` is its caption."""

    video: int
    epoch: int = 0
    text: str = ""


class ClipDataset:
    """Reads any video of a split by `ClipRequest`. It is pickled to workers and builds its parts there, once."""

    def __init__(
        self,
        recipe: Recipe,
        videos: Sequence[VideoRef],
        *,
        training: bool,
        preprocess: Preprocess,
        shapes: BuildContext,
        controls: Sequence[Control] = (),
        left_out: Mapping[str, str] | None = None,
        keep: bool = True,
    ) -> None:
        self.videos = tuple(videos)
        self.left_out = dict(left_out or {})  # reasons by id of videos that count as unreadable without being opened
        self.time_limit = recipe.loader.time_limit
        self.on_read: Callable[[VideoRef], None] | None = None
        self.training = training
        self.controls: tuple[Control, ...] = tuple(controls) or (recipe.control,)
        self._plan = ClipPipelineConfig(
            parts={name: recipe.parts[name] for name in ("sampler", "reader", "mask")},
            shapes=replace(shapes, image_size=preprocess.size),
            view=recipe.view,
            preprocess=preprocess,
            store=recipe.frame_store.model_copy(update={} if keep else {"enabled": False}),
            about={"recipe": recipe.name, "dataset": recipe.dataset.name},
            seed=recipe.seed,
            training=training,
            repairs=recipe.loader.damage == "repair",
        )
        self._foretold = False
        self._warned: set[str] = set()
        self._built: ClipPipeline | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_built": None, "on_read": None}

    def check_travel(self) -> None:
        """Raise `PartError` if a part cannot be pickled for a loader worker, before any worker starts."""
        for part in self._plan.parts.values():
            try:
                pickle.dumps(part)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise PartError(
                    f"{part.offer} cannot be sent to a loader worker ({error}); make its build a function of a "
                    "module, or set loader.workers = 0"
                ) from error

    @property
    def built(self) -> ClipPipeline:
        """The pipeline of sampler, reader, mask, transform and store, built on first use."""
        if self._built is None:
            self._built = ClipPipeline(self._plan, on_read=self._begin_reading)
        return self._built

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, draw: ClipRequest) -> ClipItem | UnreadableVideo | FdakitError:
        """Return the clip; an `UnreadableVideo` if the file cannot be read.

        An error is returned too, to be raised by the caller.
        """
        video = self.videos[draw.video]
        try:
            return self._item(video, draw)
        except VideoError as error:
            return vanished(video.path) or UnreadableVideo(video.id, str(error))
        except FdakitError as error:
            return error

    def _item(self, video: VideoRef, draw: ClipRequest) -> ClipItem:
        clip = self._stored(video, draw.epoch)
        alphas: dict[str, NDArray[np.float32]] = {
            control: self._controlled(control, video, clip) for control in self.controls
        }
        fault, notes = self.built.repaired.get(video.id, ""), self.built.take_notes()
        return ClipItem(video.id, clip.frames, alphas, clip.times, draw.text, fault, notes)

    def _stored(self, video: VideoRef, epoch: int) -> MaskedClip:
        if video.id in self.left_out:
            raise VideoError(self.left_out[video.id])
        return self.built.stored(video, epoch)

    def _begin_reading(self, video: VideoRef) -> None:
        if self.on_read is not None:
            self.on_read(video)

    def _controlled(self, control: Control, video: VideoRef, clip: MaskedClip) -> NDArray[np.float32]:
        partner = self._partner(video) if control == "other-video" else None
        return apply_control(clip.alpha, control=control, seed=self._plan.seed, video_id=video.id, partner=partner)

    def _partner(self, video: VideoRef) -> NDArray[np.float32]:
        """Return the masks of another video; unreadable ones are skipped, as that is not this video's fault."""
        others = {other.id: other for other in self.videos}
        while True:
            chosen = partner_of(video.id, list(others), seed=self._plan.seed)
            try:
                return self._stored(others[chosen], 0).alpha
            except VideoError:
                del others[chosen]

    def forecast_cache(self, plan: Sequence[Sequence[ClipRequest]]) -> None:
        """Warn once of the space that the clips of a plan will take in the frame store, if it matters."""
        if self._foretold or not plan:
            return
        asked = dict.fromkeys(self.videos[draw.video] for draws in plan for draw in draws)
        forecast = self.built.forecast(list(asked), plan[0][0].epoch)
        if forecast is not None:
            self._foretold = True
            self.warn_once(forecast.says)
            self._warned.update(forecast.settles)

    def warn_once(self, notes: Sequence[str]) -> None:
        """Warn of each note once, whichever worker it comes from."""
        for note in notes:
            if note not in self._warned:
                self._warned.add(note)
                warnings.warn(note, stacklevel=2)


def batches(
    source: ClipDataset, plan: Sequence[Sequence[ClipRequest]], *, workers: int, prefetch: int
) -> Iterator[LoadedBatch]:
    """Yield the batches of a plan, in its order. Errors of a worker are raised here.

    Workers are subject to `source.time_limit`, see `read_in_workers`; reading in this process is not.
    """
    source.forecast_cache(plan)
    collate = Collate(source.built.length)
    if workers == 0 or source.built.on_device:
        found: Any = (collate([source[draw] for draw in draws]) for draws in plan)
    else:
        source.check_travel()
        found = read_in_workers(source, plan, collate=collate, workers=workers, prefetch=prefetch)
    for batch in found:
        if isinstance(batch, FdakitError):
            raise batch
        source.warn_once(batch.notes)
        source.forecast_cache(plan)
        yield batch
