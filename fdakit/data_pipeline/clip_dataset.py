"""The clip data set: clips read, transformed, masked and batched, in this process or in workers."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import Control
from fdakit.errors import FdakitError, PartError, VideoError
from fdakit.mask_ops.controls import apply_control, partner_of
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Preprocess
from fdakit.values import Needs, UnreadableVideo, VideoRef

from .alpha_levels import Alpha, plain, smallest
from .cache_use import vanished
from .caption_tokens import CaptionTokens
from .clip_item import ClipItem  # re-exported for callers of the data set
from .clip_pipeline import ClipPipeline, ClipPipelineConfig
from .clip_settings import ClipSettings
from .frame_store import MaskedClip
from .loading.batch_memory import ClipContents


@dataclass(frozen=True)
class ClipRequest:
    """A requested clip: the epoch keys its randomness; in training, `text` is its caption."""

    video: int
    epoch: int = 0
    text: str = ""


class ClipDataset:
    """Reads any video of a split by `ClipRequest`. It is pickled to workers and builds its parts there, once.

    If the mask works on the device, clips come without alphas; `device_needs` is what it needs, if that is
    known already. Workers tokenise captions by `tokenise`, see `CaptionTokens`.
    """

    def __init__(
        self,
        settings: ClipSettings,
        videos: Sequence[VideoRef],
        *,
        training: bool,
        preprocess: Preprocess,
        shapes: BuildContext,
        controls: Sequence[Control] = (),
        left_out: Mapping[str, str] | None = None,
        keep: bool = True,
        device_needs: Needs | None = None,
        tokenise: Callable[[Sequence[str]], Mapping[str, NDArray[Any]]] | None = None,
    ) -> None:
        self.videos = tuple(videos)
        self.left_out = dict(left_out or {})  # reasons by id of videos that count as unreadable without being opened
        self.time_limit = settings.loader.time_limit
        self.on_read: Callable[[VideoRef], None] | None = None
        self.training = training
        self.controls: tuple[Control, ...] = tuple(controls) or (settings.control,)
        self._plan = ClipPipelineConfig(
            parts={"sampler": settings.sampler, "reader": settings.reader, "mask": settings.mask},
            shapes=replace(shapes, image_size=preprocess.size),
            view=settings.view,
            preprocess=preprocess,
            store=settings.frame_store.model_copy(update={} if keep else {"enabled": False}),
            about=settings.about,
            seed=settings.seed,
            training=training,
            repairs=settings.loader.damage == "repair",
            device_needs=device_needs,
        )
        self.seed = settings.seed
        self.captions = CaptionTokens(tokenise)
        self._foretold = False
        self._warned: set[str] = set()
        self._built: ClipPipeline | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_plan": self._travelling(), "_built": None, "on_read": None}

    def _travelling(self) -> ClipPipelineConfig:
        """Return the plan as workers get it: without a mask that works on the device."""
        if not self.built.on_device:
            return self._plan
        parts = {name: part for name, part in self._plan.parts.items() if name != "mask"}
        return replace(self._plan, parts=parts, device_needs=self.built.needs)

    def check_travel(self) -> None:
        """Raise `PartError` if a part cannot be pickled for a loader worker, before any worker starts."""
        for part in self._travelling().parts.values():
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

    @property
    def contents(self) -> ClipContents:
        """What is given of every clip."""
        built, size = self.built, self._plan.preprocess.size
        if not built.on_device:
            return ClipContents(built.length, size, self.controls)
        gaps = built.needs.neighbours
        luma = tuple(dict.fromkeys((0, *gaps))) if built.needs.luma else ()
        gaps += (0,) if built.changes_colours else ()
        return ClipContents(built.length, size, (), gaps, luma, partner="other-video" in self.controls)

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
        borrowing = clip.alpha is None and "other-video" in self.controls
        return replace(
            self._unmasked(video.id, clip),
            frames=self.built.coloured(clip.frames, video, draw.epoch),
            masks=self._masks(video, clip),
            text=draw.text,
            tokens=self.captions.of(draw.text) if draw.text else {},
            repaired=self.built.repaired.get(video.id, ""),
            partner=self._unmasked(*self._partner(video)) if borrowing else None,
            notes=(*self.built.take_notes(), *self.captions.notes),
        )

    def _unmasked(self, name: str, clip: MaskedClip) -> ClipItem:
        """Return a clip with what a mask on the device needs: at gap 0 its own colours, if others will be shown."""
        beside = dict(clip.neighbours)
        if self.built.on_device and self.built.changes_colours:
            beside[0] = clip.frames
        return ClipItem(name, clip.frames, {}, clip.times, "", neighbours=beside, luma=clip.luma)

    def _stored(self, video: VideoRef, epoch: int) -> MaskedClip:
        if video.id in self.left_out:
            raise VideoError(self.left_out[video.id])
        return self.built.stored(video, epoch)

    def _begin_reading(self, video: VideoRef) -> None:
        if self.on_read is not None:
            self.on_read(video)

    def _masks(self, video: VideoRef, clip: MaskedClip) -> dict[str, Alpha]:
        """Return the masks under each control; none if they are made on the device."""
        if clip.alpha is None:
            return {}
        return {
            control: smallest(clip.alpha if control == "none" else self._controlled(video, clip.alpha, control))
            for control in self.controls
        }

    def _controlled(self, video: VideoRef, alpha: Alpha, control: Control) -> NDArray[np.float32]:
        other = self._partner(video)[1].alpha if control == "other-video" else None
        partner = None if other is None else plain(other)
        return apply_control(plain(alpha), control=control, seed=self.seed, video_id=video.id, partner=partner)

    def _partner(self, video: VideoRef) -> tuple[str, MaskedClip]:
        """Return another video; unreadable ones are skipped, as that is not this video's fault."""
        others = {other.id: other for other in self.videos}
        while True:
            chosen = partner_of(video.id, list(others), seed=self.seed)
            try:
                return chosen, self._stored(others[chosen], 0)
            except VideoError:
                del others[chosen]

    def forecast_cache(self, plan: Sequence[Sequence[ClipRequest]]) -> None:
        """Warn once of the space that the clips of a plan will take in the frame store, if it matters."""
        draws = [] if self._foretold else [draw for batch in plan for draw in batch]
        if not draws:
            return
        asked = dict.fromkeys(self.videos[draw.video] for draw in draws)
        forecast = self.built.forecast(list(asked), draws[0].epoch)
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
