"""`fdakit data masks`: statistics of the masks of a whole split, as in training or evaluation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.data_pipeline.clip_dataset import ClipDataset
from fdakit.data_pipeline.clip_settings import ClipSettings
from fdakit.data_pipeline.loading.worker_crew import WorkerCrew
from fdakit.errors import FdakitError, VideoError
from fdakit.mask_ops.cut_detection import sampled_cuts
from fdakit.plugin.contracts import Progress
from fdakit.recipe.recipe import Recipe
from fdakit.system.devices import choose_device, loader_workers
from fdakit.values import Clip, Split, UnreadableVideo, VideoRef
from fdakit.video.repeated_share import count_repeats

from .pixel_levels import Levels, clip_levels
from .viewer import tower_view


@dataclass(frozen=True)
class ClipMaskStats:
    """The statistics of a clip's masks: for each frame its time in seconds, the marked share, and the mask's remark.

    `seconds` is the time of reading, transforming and masking; `repaired` the fault of a partly read file. `cuts` is
    whether each frame shows another scene than the one before. `repeats` are how many native frames repeat the one
    before them, and of how many; of none if the file cannot be read completely. `levels` are those of `clip_levels`.
    """

    id: str
    times: tuple[float, ...]
    coverage: tuple[float, ...]
    remarks: tuple[str, ...]
    seconds: float
    repaired: str = ""
    cuts: tuple[bool, ...] = ()
    repeats: tuple[int, int] = (0, 0)
    levels: Levels = ()


@dataclass(frozen=True)
class MaskStatistics:
    """The clips of a split with statistics, and the unreadable videos; of `whole` videos, `asked` were requested."""

    recipe: Recipe
    split: str
    clips: tuple[ClipMaskStats, ...]
    lost: tuple[UnreadableVideo, ...]
    asked: int
    whole: int
    stopped: bool
    source: MaskDataset


class MaskDataset:
    """The clips and masks of a split, by index, as in the first training epoch if it is trained on; picklable.

    Masks are those before `mask.control` acts, and nothing is stored in the frame store.
    """

    def __init__(self, recipe: Recipe, videos: Sequence[VideoRef], *, training: bool) -> None:
        preprocess, shapes = tower_view(recipe)
        device = str(choose_device(recipe.train.device))
        self._source = ClipDataset(
            ClipSettings.of(recipe),
            videos,
            training=training,
            preprocess=preprocess,
            shapes=replace(shapes, device=device),
            keep=False,
        )
        self.preprocess = preprocess
        self.videos, self.left_out = self._source.videos, self._source.left_out
        self.time_limit = self._source.time_limit
        self.news: tuple[()] = ()

    def heed(self, news: object) -> None:
        """Take news; there are none."""

    def rest(self) -> None:
        """Do what can wait: nothing."""

    @property
    def on_read(self) -> Callable[[VideoRef], None] | None:
        """Called with each video whose file is about to be read."""
        return self._source.on_read

    @on_read.setter
    def on_read(self, told: Callable[[VideoRef], None] | None) -> None:
        self._source.on_read = told

    @property
    def compares_natively(self) -> bool:
        """Whether the mask uses native neighbours or motion vectors, and so rarely compares across a cut."""
        needs = self._source.built.needs
        return bool(needs.neighbours or needs.motion_vectors)

    def warn_of_untrained(self) -> None:
        """Warn that the mask has the weights it is built with, if it has any."""
        self._source.built.warn_of_untrained()

    def travels(self) -> bool:
        """Return whether workers can do the work: not if the mask needs the device.

        Raises `PartError` as clips do.
        """
        if self._source.built.on_device:
            return False
        self._source.check_travel()
        return True

    def __getitem__(self, number: int) -> ClipMaskStats | UnreadableVideo | FdakitError:
        video = self.videos[number]
        if video.id in self.left_out:
            return UnreadableVideo(video.id, self.left_out[video.id])
        try:
            begun = time.perf_counter()
            clip, alpha = self.clip(number)
            taken = time.perf_counter() - begun
            parts = self._source.built
            return ClipMaskStats(
                id=video.id,
                times=tuple(clip.times.tolist()),
                coverage=tuple(alpha.mean(axis=(1, 2), dtype=np.float64).tolist()),
                remarks=parts.remarks(clip),
                seconds=taken,
                repaired=parts.repaired.get(video.id, ""),
                levels=clip_levels(clip.frames),
                cuts=tuple(sampled_cuts(clip.frames).tolist()),
                repeats=_repeats(video),
            )
        except VideoError as error:
            return UnreadableVideo(video.id, str(error))
        except FdakitError as error:
            return error

    def clip(self, number: int) -> tuple[Clip, NDArray[np.float32]]:
        """Return the transformed clip and its masks `(t, h, w)`. Raises what reading and masking raise."""
        parts = self._source.built
        clip = parts.viewed(self.videos[number], 0)
        return clip, parts.alpha(clip)


def selected_split(recipe: Recipe, names: Sequence[str]) -> str:
    """Return the default split: the existing one that is trained on.

    If nothing is trained or there is no `train`, it is the reported split, else the only one.
    """
    wanted = (*(["train"] if recipe.train.epochs else []), recipe.eval.split, *(names if len(names) == 1 else []))
    return next((name for name in wanted if name in names), wanted[0])


def _repeats(video: VideoRef) -> tuple[int, int]:
    try:
        return count_repeats(video)
    except VideoError:  # partly damaged: its decodable frames were counted anyway
        return 0, 0


def collect_statistics(
    recipe: Recipe, split: Split, *, limit: int | None = None, jobs: int | None = None, progress: Progress
) -> MaskStatistics:
    """Compute statistics of the masks of a split's videos, or of `limit` of them, spread over it.

    The split named "train" is sampled as for training. `jobs` replaces `loader.workers`. Ctrl-C ends it early with
    the results so far; without any it propagates. Raises `PartError` if sampler or mask fails, and `VideoError` if no
    video could be read.
    """
    count = min(limit or len(split.videos), len(split.videos))
    chosen = [split.videos[int((place + 0.5) * len(split.videos) / count)] for place in range(count)]
    source = MaskDataset(recipe, chosen, training=split.name == "train")
    source.warn_of_untrained()
    workers = loader_workers(recipe.loader.workers if jobs is None else jobs, choose_device(recipe.train.device))
    clips: list[ClipMaskStats] = []
    lost: list[UnreadableVideo] = []
    stopped = False
    try:
        for done, found in enumerate(_counted(source, workers=workers, prefetch=recipe.loader.prefetch), 1):
            if isinstance(found, FdakitError):
                raise found
            (clips if isinstance(found, ClipMaskStats) else lost).append(found)
            progress(f"counting {split.name} masks", done, count)
    except KeyboardInterrupt:
        if not clips:
            raise
        stopped = True
    if not clips:
        reasons = "\n".join(video.reason for video in lost[:3])
        raise VideoError(f"split {split.name!r}: none of its {len(lost)} videos could be read:\n{reasons}")
    return MaskStatistics(recipe, split.name, tuple(clips), tuple(lost), count, len(split.videos), stopped, source)


def _counted(source: MaskDataset, *, workers: int, prefetch: int) -> Iterator[Any]:
    numbers = range(len(source.videos))
    if not workers or not source.travels():
        yield from (source[number] for number in numbers)
        return
    with WorkerCrew(workers) as crew:
        yield from crew.read(source, numbers, ahead=prefetch * workers)
