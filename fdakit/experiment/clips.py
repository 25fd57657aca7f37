"""Clips for the model: read, viewed, masked, and put into batches, in this process or in workers."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.catalog import Part
from fdakit.contracts import Preprocess, Shapes
from fdakit.draws import keyed_rng
from fdakit.errors import FdakitError, PartError, VideoError, blamed
from fdakit.recipe import Recipe
from fdakit.settings import Control
from fdakit.values import Clip, LostVideo, VideoRef
from fdakit.video.controls import apply_control, partner_of
from fdakit.video.decode import read_frames
from fdakit.video.frame_store import FrameStore, StoredClip
from fdakit.video.view import View

from .collating import ClipItem as ClipItem  # callers of a source look for it here
from .collating import Collate, LoadedBatch
from .damage import Mender
from .devices import cache_folder
from .keeping import Forecast, Keeper, Making
from .part_checks import check_alpha, check_indices
from .pixel_facts import clip_facts
from .workers import read_in_workers


@dataclass(frozen=True)
class Draw:
    """One clip that is asked for: the epoch keys its randomness, the text belongs to it in training."""

    video: int
    epoch: int = 0
    text: str = ""


class ClipSource:
    """Reads any video of a split by `Draw`. Travels to workers and builds its parts there, once."""

    def __init__(
        self,
        recipe: Recipe,
        videos: Sequence[VideoRef],
        *,
        training: bool,
        preprocess: Preprocess,
        shapes: Shapes,
        controls: Sequence[Control] = (),
        left_out: Mapping[str, str] | None = None,
        keep: bool = True,
    ) -> None:
        self.videos = tuple(videos)
        self.left_out = dict(left_out or {})  # reasons by id of videos that count as unreadable without a look
        self.time_limit = recipe.loader.time_limit
        self.on_read: Callable[[VideoRef], None] | None = None
        self.training = training
        self.controls: tuple[Control, ...] = tuple(controls) or (recipe.control,)
        self._parts: Mapping[str, Part] = {name: recipe.parts[name] for name in ("sampler", "reader", "mask")}
        self._view_settings = recipe.view
        self._preprocess = preprocess
        self._shapes = replace(shapes, image_size=preprocess.size)
        self._store_settings = recipe.frame_store.model_copy(update={} if keep else {"enabled": False})
        self._about = {"recipe": recipe.name, "dataset": recipe.parts["dataset"].name}
        self._foretold = False
        self._told: set[str] = set()
        self._seed = recipe.seed
        self._repairs = recipe.loader.damage == "repair"
        self._built: _Built | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_built": None, "on_read": None}

    def check_travel(self) -> None:
        """Raises `PartError` where a part cannot be sent to a loader worker, before any worker starts."""
        for part in self._parts.values():
            try:
                pickle.dumps(part)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise PartError(
                    f"{part.offer} cannot be sent to a loader worker ({error}); make its build a function of a "
                    "module, or set loader.workers = 0"
                ) from error

    @property
    def built(self) -> _Built:
        """Sampler, reader, mask, view and store, built on first use."""
        if self._built is None:
            self._built = _Built(self)
        return self._built

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, draw: Draw) -> ClipItem | LostVideo | FdakitError:
        """The clip; a `LostVideo` where the file cannot be read; an error, to be raised where it can be seen."""
        video = self.videos[draw.video]
        try:
            return self._item(video, draw)
        except VideoError as error:
            return LostVideo(video.id, str(error))
        except FdakitError as error:
            return error

    def _item(self, video: VideoRef, draw: Draw) -> ClipItem:
        clip = self.built.stored(video, draw.epoch)
        alphas: dict[str, NDArray[np.float32]] = {
            control: self._controlled(control, video, clip) for control in self.controls
        }
        fault, notes = self.built.repaired.get(video.id, ""), self.built.take_notes()
        return ClipItem(video.id, clip.frames, alphas, clip.times, draw.text, fault, notes)

    def _controlled(self, control: Control, video: VideoRef, clip: StoredClip) -> NDArray[np.float32]:
        partner = self._partner(video) if control == "other-video" else None
        return apply_control(clip.alpha, control=control, seed=self._seed, video_id=video.id, partner=partner)

    def _partner(self, video: VideoRef) -> NDArray[np.float32]:
        """Masks of another video; one that cannot be read is passed over, it is not this video's fault."""
        others = {other.id: other for other in self.videos}
        while True:
            chosen = partner_of(video.id, list(others), seed=self._seed)
            try:
                return self.built.stored(others[chosen], 0).alpha
            except VideoError:
                del others[chosen]

    def foretell(self, plan: Sequence[Sequence[Draw]]) -> None:
        """Say once, as a warning, what the clips of a plan will take in the frame store, where that matters."""
        if self._foretold or not plan:
            return
        asked = dict.fromkeys(self.videos[draw.video] for draws in plan for draw in draws)
        forecast = self.built.forecast(list(asked), plan[0][0].epoch)
        if forecast is not None:
            self._foretold = True
            self.tell(forecast.says)
            self._told.update(forecast.settles)

    def tell(self, notes: Sequence[str]) -> None:
        """Warn of each note once, whichever worker it comes from."""
        for note in notes:
            if note not in self._told:
                self._told.add(note)
                warnings.warn(note, stacklevel=2)


class _Built:
    """The parts of a `ClipSource` in the process that uses them."""

    def __init__(self, source: ClipSource) -> None:
        self._source = source
        self._parts = source._parts
        self._sampler = self._parts["sampler"].build(source._shapes)
        self._reader = self._parts["reader"].build(source._shapes)
        self._mask = self._parts["mask"].build(source._shapes)
        self._view = View(source._view_settings, source._preprocess)
        self._mender = Mender()
        self.repaired: dict[str, str] = {}  # of the clips as last read: the file's fault by id
        self._making = Making(self._native, self._viewed, self._alpha, self._mask.needs, self.repaired)
        self._draws, self._keeper = self._keeping()

    def _keeping(self) -> tuple[int, Keeper | None]:
        """How many draws of a clip are used in turn, 0 for a new one each epoch; and who keeps clips, if anybody."""
        source, settings = self._source, self._source._store_settings
        frames_drawn, view_drawn = self._sampler.draws(source.training), source.training and self._view.draws
        drawn = frames_drawn or view_drawn
        draws = settings.draws if settings.enabled and source.training and drawn else 0
        before_view = view_drawn and not frames_drawn and not draws and not self._mask.needs.motion_vectors
        if not settings.enabled or settings.limit_mb == 0 or (drawn and not draws and not before_view):
            return draws, None
        facts = clip_facts(
            self._parts,
            source._shapes,
            self._view,
            training=source.training,
            on_device=self.on_device,
            seed=source._seed,
        )
        if facts is None:
            return draws, None
        folder = settings.folder or cache_folder() / "frames"
        store = FrameStore(folder, limit_mb=settings.limit_mb, about=source._about)
        return draws, Keeper(self._making, facts, store, before_view=before_view, draws=draws)

    @property
    def length(self) -> int:
        """Frames a clip is padded to."""
        return int(self._sampler.frames(self._source.training))

    @property
    def on_device(self) -> bool:
        """Whether the mask wants its frames on the model's device."""
        return bool(self._mask.place == "device")

    def stored(self, video: VideoRef, epoch: int) -> StoredClip:
        """The viewed clip with its mask, kept or made: see `fdakit.experiment.keeping`."""
        if video.id in self._source.left_out:
            raise VideoError(self._source.left_out[video.id])
        turn = epoch % self._draws if self._draws else epoch
        return self._making.fresh(video, turn) if self._keeper is None else self._keeper.clip(video, turn)

    def forecast(self, videos: Sequence[VideoRef], epoch: int) -> Forecast | None:
        """What these videos will take in the frame store; None while that cannot be told."""
        if self._keeper is None:
            return Forecast()
        turn = epoch % self._draws if self._draws else epoch
        return self._keeper.forecast(videos, turn, frames=self.length, size=self._view.preprocess.size)

    def take_notes(self) -> tuple[str, ...]:
        """What people should know of the frame store and were not told yet."""
        return self._keeper.store.take_notes() if self._keeper is not None else ()

    def _native(self, video: VideoRef, epoch: int) -> Clip:
        """The sampled frames as the reader gives them."""
        if self._source.on_read is not None:
            self._source.on_read(video)
        return replace(self._read(video, epoch), seed=self._source._seed)

    def _viewed(self, clip: Clip, epoch: int) -> Clip:
        rng = keyed_rng(self._source._seed, "view", epoch, clip.id)
        return self._view(clip, training=self._source.training, rng=rng)

    def _read(self, video: VideoRef, epoch: int) -> Clip:
        """The sampled frames; where repair is asked for and the file is damaged, of those that decode."""
        label, where = str(self._parts["reader"].offer), f"on video {video.id!r}"
        size = self._view.wanted_size(training=self._source.training)
        self.repaired.pop(video.id, None)
        try:
            with blamed(label, where):
                times = self._reader.times(video)
            chosen = self._chosen(video, epoch, times)
            with blamed(label, where):
                clip: Clip = self._reader.read(video, chosen, self._mask.needs, size)
            return clip
        except VideoError as error:
            if not self._source._repairs:
                raise
            sound = self._mender.sound_frames(video, self._mask.needs)
            chosen = sound.indices[self._chosen(video, epoch, sound.times)]
            clip = read_frames(video, indices=chosen, needs=self._mask.needs, size=size, tolerant=True)
            self.repaired[video.id] = sound.reason or str(error)
            return clip

    def _chosen(self, video: VideoRef, epoch: int, times: NDArray[np.float64]) -> NDArray[np.int64]:
        label, where = str(self._parts["sampler"].offer), f"on video {video.id!r}"
        rng = keyed_rng(self._source._seed, "frames", epoch, video.id)
        with blamed(label, where):
            chosen = self._sampler(len(times), times, self._source.training, rng)
        check_indices(chosen, len(times), self.length, label=label, where=where)
        return np.asarray(chosen, np.int64)

    def _alpha(self, clip: Clip) -> NDArray[np.float32]:
        label, where = str(self._parts["mask"].offer), f"on video {clip.id!r}"
        with blamed(label, where):
            if self.on_device:
                alpha = torch.as_tensor(self._mask(_moved(clip, self._source._shapes.device))).cpu().numpy()
            else:
                alpha = self._mask(clip)
        check_alpha(alpha, clip.frames.shape[:3], label=label, where=where)
        return np.asarray(alpha, np.float32)


def _moved(clip: Clip, device: str) -> Clip:
    """The clip as a mask on the device sees it: frames and neighbours as torch uint8 `(t, 3, h, w)`."""

    def move(frames: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(frames).permute(0, 3, 1, 2).to(device)

    neighbours = {gap: move(frames) for gap, frames in clip.neighbours.items()}
    return replace(clip, frames=move(clip.frames), neighbours=neighbours)


def batches(
    source: ClipSource, plan: Sequence[Sequence[Draw]], *, workers: int, prefetch: int
) -> Iterator[LoadedBatch]:
    """The batches of a plan, in its order. Errors met in a worker are raised here.

    Workers are held to `source.time_limit`, see `read_in_workers`; reading in this process is not.
    """
    source.foretell(plan)
    collate = Collate(source.built.length)
    if workers == 0 or source.built.on_device:
        found: Any = (collate([source[draw] for draw in draws]) for draws in plan)
    else:
        source.check_travel()
        found = read_in_workers(source, plan, collate=collate, workers=workers, prefetch=prefetch)
    for batch in found:
        if isinstance(batch, FdakitError):
            raise batch
        source.tell(batch.notes)
        source.foretell(plan)
        yield batch
