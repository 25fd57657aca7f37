"""Clips for the model: read, viewed, masked, and put into batches, in this process or in workers."""

from __future__ import annotations

import pickle
import signal
from collections.abc import Iterator, Mapping, Sequence
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
from fdakit.values import Batch, Clip, LostVideo, VideoRef, describe
from fdakit.video.controls import apply_control, partner_of
from fdakit.video.frame_store import FrameStore, StoredClip
from fdakit.video.view import View


@dataclass(frozen=True)
class Draw:
    """One clip that is asked for: the epoch keys its randomness, the text belongs to it in training."""

    video: int
    epoch: int = 0
    text: str = ""


@dataclass(frozen=True)
class ClipItem:
    """A clip ready for the batch: frames uint8 `(t, s, s, 3)`, alphas float32 `(t, s, s)` by control."""

    id: str
    frames: NDArray[np.uint8]
    alphas: Mapping[str, NDArray[np.float32]]
    times: NDArray[np.float64]
    text: str


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
    ) -> None:
        self.videos = tuple(videos)
        self.training = training
        self.controls: tuple[Control, ...] = tuple(controls) or (recipe.control,)
        self._parts: Mapping[str, Part] = {name: recipe.parts[name] for name in ("sampler", "reader", "mask")}
        self._view_settings = recipe.view
        self._preprocess = preprocess
        self._shapes = replace(shapes, image_size=preprocess.size)
        self._store_settings = recipe.frame_store
        self._seed = recipe.seed
        self._built: _Built | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_built": None}

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
        return ClipItem(video.id, clip.frames, alphas, clip.times, draw.text)

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


class _Built:
    """The parts of a `ClipSource` in the process that uses them."""

    def __init__(self, source: ClipSource) -> None:
        self._source = source
        self._parts = source._parts
        self._sampler = self._parts["sampler"].build(source._shapes)
        self._reader = self._parts["reader"].build(source._shapes)
        self._mask = self._parts["mask"].build(source._shapes)
        self._view = View(source._view_settings, source._preprocess)
        settings = source._store_settings
        repeats = not self._sampler.draws(source.training) and not (source.training and self._view.draws)
        self._store = FrameStore(limit_mb=settings.limit_mb if settings.enabled and repeats else 0)

    @property
    def length(self) -> int:
        """Frames a clip is padded to."""
        return int(self._sampler.frames(self._source.training))

    @property
    def on_device(self) -> bool:
        """Whether the mask wants its frames on the model's device."""
        return bool(self._mask.place == "device")

    def stored(self, video: VideoRef, epoch: int) -> StoredClip:
        """The viewed clip with its mask, from the store where nothing in it is drawn."""
        found = self._store.get(video.id)
        if found is None:
            found = self._fresh(video, epoch)
            self._store.put(video.id, found)
        return found

    def _fresh(self, video: VideoRef, epoch: int) -> StoredClip:
        where = f"on video {video.id!r}"
        training, seed = self._source.training, self._source._seed
        with blamed(str(self._parts["reader"].offer), where):
            times = self._reader.times(video)
        with blamed(str(self._parts["sampler"].offer), where):
            chosen = self._sampler(len(times), times, training, keyed_rng(seed, "frames", epoch, video.id))
        check_indices(chosen, len(times), self.length, label=str(self._parts["sampler"].offer), where=where)
        with blamed(str(self._parts["reader"].offer), where):
            size = self._view.wanted_size(training=training)
            clip = self._reader.read(video, chosen, self._mask.needs, size)
        clip = replace(clip, seed=seed)
        viewed = self._view(clip, training=training, rng=keyed_rng(seed, "view", epoch, video.id))
        return StoredClip(viewed.frames, self._alpha(viewed, where), viewed.times)

    def _alpha(self, clip: Clip, where: str) -> NDArray[np.float32]:
        label = str(self._parts["mask"].offer)
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


def check_indices(chosen: Any, count: int, asked: int, *, label: str, where: str) -> None:
    """Raises `PartError` where a sampler's indices are not 1 to `asked` ascending ones below `count`."""
    indices = np.asarray(chosen)
    good = indices.ndim == 1 and indices.dtype.kind in "iu" and 1 <= len(indices) <= asked
    if not (good and indices[0] >= 0 and indices[-1] < count and (np.diff(indices) > 0).all()):
        raise PartError(
            f"{label} failed {where}: returned {indices.tolist()}; wanted 1 to {asked} indices, ascending and "
            f"below {count}"
        )


def check_alpha(alpha: Any, shape: tuple[int, ...], *, label: str, where: str) -> None:
    """Raises `PartError` where a mask is not float32 `(t, h, w)`, finite and in [0, 1]."""
    if not isinstance(alpha, np.ndarray) or alpha.shape != shape or alpha.dtype != np.float32:
        raise PartError(f"{label} failed {where}: returned {describe(alpha)}; wanted float32{tuple(shape)}")
    low, high = float(alpha.min()), float(alpha.max())
    if not (low >= 0 and high <= 1):
        raise PartError(f"{label} failed {where}: values from {low} to {high}; wanted 0 to 1")


@dataclass(frozen=True)
class Collate:
    """Pads clips to `length` frames and stacks them; lost videos are listed, not filled in."""

    length: int

    def __call__(self, items: Sequence[ClipItem | LostVideo | FdakitError]) -> Batch | FdakitError:
        for item in items:
            if isinstance(item, FdakitError):
                return item
        clips = [item for item in items if isinstance(item, ClipItem)]
        lost = tuple(item for item in items if isinstance(item, LostVideo))
        if not clips:
            empty = torch.zeros(0)
            return Batch((), empty, {}, torch.zeros(0, 0, dtype=torch.bool), empty, (), lost)
        counts = torch.tensor([len(clip.frames) for clip in clips])
        return Batch(
            ids=tuple(clip.id for clip in clips),
            frames=self._stack([clip.frames for clip in clips]).permute(0, 1, 4, 2, 3).contiguous(),
            alphas={
                name: self._stack([clip.alphas[name] for clip in clips]).unsqueeze(2) for name in clips[0].alphas
            },
            valid=torch.arange(self.length)[None] < counts[:, None],
            times=self._stack([clip.times for clip in clips]),
            texts=tuple(clip.text for clip in clips),
            lost=lost,
        )

    def _stack(self, arrays: Sequence[NDArray[Any]]) -> torch.Tensor:
        stacked = np.zeros((len(arrays), self.length, *arrays[0].shape[1:]), arrays[0].dtype)
        for place, array in enumerate(arrays):
            stacked[place, : len(array)] = array
        return torch.from_numpy(stacked)


def batches(source: ClipSource, plan: Sequence[Sequence[Draw]], *, workers: int, prefetch: int) -> Iterator[Batch]:
    """The batches of a plan, in its order. Errors met in a worker are raised here."""
    collate = Collate(source.built.length)
    if workers == 0 or source.built.on_device:
        found: Any = (collate([source[draw] for draw in draws]) for draws in plan)
    else:
        source.check_travel()
        found = torch.utils.data.DataLoader(
            source,  # type: ignore[arg-type]
            batch_sampler=plan,  # type: ignore[arg-type]
            num_workers=workers,
            prefetch_factor=prefetch,
            collate_fn=collate,
            multiprocessing_context="spawn",
            worker_init_fn=_quiet_worker,
            generator=torch.Generator(),  # of its own: seeding the workers must not move torch's
        )
    for batch in found:
        if isinstance(batch, FdakitError):
            raise batch
        yield batch


def _quiet_worker(number: int) -> None:
    """Ctrl-C belongs to the main process; a worker that also prints a traceback helps nobody."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
