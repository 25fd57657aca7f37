"""The pipeline of a clip in the process that uses it: sampler, reader, transform, mask and frame store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.catalog import Part
from fdakit.errors import VideoError, attribute_errors
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Preprocess
from fdakit.random_keys import keyed_rng
from fdakit.settings import FrameStoreSettings, ViewSettings
from fdakit.system.cache_folder import cache_folder
from fdakit.values import Clip, Needs, VideoRef
from fdakit.video.colour_jitter import ColourJitter
from fdakit.video.decode import read_frames
from fdakit.video.transform import FrameTransform

from .cache_keys import make_cache_keys
from .clip_cache import ClipCache, ClipSteps, Forecast
from .damage import FrameRepair
from .frame_store import FrameStore, MaskedClip
from .mask_calls import build_mask, mask_alpha, mask_files_version, mask_remarks, warn_of_untrained
from .mask_randomness import AccessLog, RandomnessProbe
from .output_checks import check_indices, check_same_indices, tried_alpha


@dataclass(frozen=True)
class ClipPipelineConfig:
    """The parts and settings that determine the clips of a data set. It is pickled to workers.

    `device_needs` is what a mask that is built elsewhere, for the device, needs of the reader; none is built here
    then.
    """

    parts: Mapping[str, Part[Any]]
    shapes: BuildContext
    view: ViewSettings
    preprocess: Preprocess
    store: FrameStoreSettings
    about: Mapping[str, str]
    seed: int
    training: bool
    repairs: bool
    device_needs: Needs | None = None


class ClipPipeline:
    """The built parts; `on_read` is called with each video whose file is about to be read.

    `needs` is what the mask needs of the reader; `on_device` is whether it works there, so that clips come without
    alpha.
    """

    def __init__(self, plan: ClipPipelineConfig, *, on_read: Callable[[VideoRef], None]) -> None:
        self._plan, self._on_read = plan, on_read
        self._parts = plan.parts
        self._sampler = self._parts["sampler"].build(plan.shapes)
        self._reader = self._parts["reader"].build(plan.shapes)
        watch = AccessLog()
        self._mask: Any = None
        if plan.device_needs is None:
            self._mask = build_mask(self._parts["mask"], watch.over(plan.shapes))
        self.on_device = self._mask is None or self._mask.place == "device"
        self.needs: Needs = plan.device_needs or self._mask.needs
        self._watched = self._mask if self.on_device else RandomnessProbe(self._mask, watch)
        self._view = FrameTransform(plan.view, plan.preprocess)
        self._jitter = ColourJitter(plan.view)
        self._repair = FrameRepair()
        self._tried: set[str] = set()  # the parts that were tested by calling them twice
        self.repaired: dict[str, str] = {}  # the file's fault by id, for the clips as last read
        drawn = partial(getattr, self._watched, "looked", False)
        alpha = None if self.on_device else self.alpha
        self._making = ClipSteps(
            self._native, self._viewed, alpha, self.needs, self.repaired, drawn, self._files_version
        )
        self._draws, self._keeper = self._keeping()

    def _keeping(self) -> tuple[int, ClipCache | None]:
        """Return how many random versions of a clip are used in turn, 0 for a new one each epoch.

        With it the cache, if clips are cached.
        """
        plan, settings = self._plan, self._plan.store
        frames_drawn, view_drawn = self._sampler.draws(plan.training), plan.training and self._view.draws
        drawn = frames_drawn or view_drawn
        draws = settings.draws if settings.enabled and plan.training and drawn else 0
        beside_frames = self.needs.motion_vectors or (self.needs.luma and not self.on_device)
        before_view = view_drawn and not frames_drawn and not draws and not beside_frames
        if not settings.enabled or settings.limit_mb == 0 or (drawn and not draws and not before_view):
            return draws, None
        parts = {name: part for name, part in self._parts.items() if name != "mask" or not self.on_device}
        facts = make_cache_keys(parts, plan.shapes, self._view, training=plan.training, seed=plan.seed)
        if facts is None:
            return draws, None
        folder = settings.folder or cache_folder() / "frames"
        store = FrameStore(folder, limit_mb=settings.limit_mb, about=plan.about)
        return draws, ClipCache(self._making, facts, store, before_view=before_view, draws=draws)

    @property
    def length(self) -> int:
        """The number of frames a clip is padded to."""
        return int(self._sampler.frames(self._plan.training))

    def stored(self, video: VideoRef, epoch: int) -> MaskedClip:
        """Return the transformed clip with what the mask made, or needs: see `fdakit.data_pipeline.clip_cache`."""
        turn = epoch % self._draws if self._draws else epoch
        return self._making.fresh(video, turn) if self._keeper is None else self._keeper.clip(video, turn)

    @property
    def changes_colours(self) -> bool:
        """Whether the model is shown other colours than masks."""
        return self._plan.training and self._jitter.draws

    def coloured(self, frames: NDArray[np.uint8], video: VideoRef, epoch: int) -> NDArray[np.uint8]:
        """Return the frames that the model is shown, of those that a clip is stored and masked with.

        In training they have the colours drawn for that epoch, if `[view]` draws any.
        """
        if not self.changes_colours:
            return frames
        return self._jitter(frames, keyed_rng(self._plan.seed, "colours", epoch, video.id))

    def forecast(self, videos: Sequence[VideoRef], epoch: int) -> Forecast | None:
        """Return what these videos will take in the frame store; None while it is unknown."""
        if self._keeper is None:
            return Forecast()
        turn = epoch % self._draws if self._draws else epoch
        return self._keeper.forecast(videos, turn, frames=self.length, size=self._view.preprocess.size)

    def take_notes(self) -> tuple[str, ...]:
        """Return the frame store's notes that were not yet reported."""
        return self._keeper.store.take_notes() if self._keeper is not None else ()

    def _native(self, video: VideoRef, epoch: int) -> Clip:
        """Return the sampled frames as the reader returns them."""
        self._on_read(video)
        return replace(self._read(video, epoch), seed=self._plan.seed)

    def _viewed(self, clip: Clip, epoch: int) -> Clip:
        rng = keyed_rng(self._plan.seed, "view", epoch, clip.id)
        return self._view(clip, training=self._plan.training, rng=rng)

    def _read(self, video: VideoRef, epoch: int) -> Clip:
        """Return the sampled frames; with repair enabled and a damaged file, of those that decode."""
        label, where = str(self._parts["reader"].offer), f"on video {video.id!r}"
        size = self._view.wanted_size(training=self._plan.training)
        self.repaired.pop(video.id, None)
        try:
            with attribute_errors(label, where):
                times = self._reader.times(video)
            chosen = self._chosen(video, epoch, times)
            with attribute_errors(label, where):
                clip: Clip = self._reader.read(video, chosen, self.needs, size)
        except VideoError as error:
            if not self._plan.repairs:
                raise
            sound = self._repair.decodable_frames(video, self.needs)
            chosen = sound.indices[self._chosen(video, epoch, sound.times)]
            clip = read_frames(video, indices=chosen, needs=self.needs, size=size, tolerant=True)
            self.repaired[video.id] = sound.reason or str(error)
        return clip.placed(chosen) if self.needs.placement else clip

    def _chosen(self, video: VideoRef, epoch: int, times: NDArray[np.float64]) -> NDArray[np.int64]:
        label, where = str(self._parts["sampler"].offer), f"on video {video.id!r}"

        def choose() -> NDArray[np.int64]:
            rng = keyed_rng(self._plan.seed, "frames", epoch, video.id)
            with attribute_errors(label, where):
                chosen = self._sampler(len(times), times, self._plan.training, rng)
            check_indices(chosen, len(times), self.length, label=label, where=where)
            return np.asarray(chosen, np.int64)

        chosen = choose()
        if "sampler" not in self._tried:
            self._tried.add("sampler")
            check_same_indices(chosen, choose(), label=label, where=where)
        return chosen

    def viewed(self, video: VideoRef, epoch: int) -> Clip:
        """Return the clip of that epoch as the mask receives it, read from its file. Raises what reading raises."""
        turn = epoch % self._draws if self._draws else epoch
        return self._viewed(self._native(video, turn), turn)

    def alpha(self, clip: Clip) -> NDArray[np.float32]:
        """Return `mask_alpha`; the first mask is computed twice, to check that it is reproducible."""
        label = str(self._parts["mask"].offer)
        make = partial(mask_alpha, self._watched, label=label, device=self._plan.shapes.device)
        if "mask" in self._tried:
            return make(clip)
        self._tried.add("mask")
        return tried_alpha(make, clip, label=label, on_device=self.on_device)

    def _files_version(self, video: VideoRef) -> str:
        """Return what the mask says of its own files for a video, "" for a mask without."""
        return mask_files_version(self._mask, video.id, label=str(self._parts["mask"].offer))

    def warn_of_untrained(self) -> None:
        """Warn that the mask has the weights it is built with, if it has any."""
        warn_of_untrained(self._mask, label=str(self._parts["mask"].offer))

    def remarks(self, clip: Clip) -> tuple[str, ...]:
        """Return `mask_remarks` of a clip."""
        return mask_remarks(self._mask, clip, label=str(self._parts["mask"].offer), device=self._plan.shapes.device)
