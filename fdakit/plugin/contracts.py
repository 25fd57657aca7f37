"""What parts promise each other: one Protocol a kind of part, and the small values that pass between them.

Nothing here imports torch: a plugin may import this module for free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fdakit.values import Batch, Clip, FrameFeatures, Fused, Needs, Place, Scores, Split, TextFeatures, VideoRef

from .component import BuildContext, StemConvolution

if TYPE_CHECKING:
    import torch

SizeRule = Callable[[tuple[int, int]], tuple[int, int]]
"""`(h, w)` of an upright frame -> the (h, w) it is wanted in."""

Direction = Literal["t2v", "v2t"]
"""Text to video, where captions are the queries, and video to text, where videos are."""

DIRECTIONS: tuple[Direction, ...] = ("t2v", "v2t")

Progress = Callable[[str, int, int], None]
"""`progress(what, done, total)`, called often during long work; cheap, and never required."""


@runtime_checkable
class FrameSampler(Protocol):
    """Says which frames of a video are looked at."""

    def frames(self, training: bool) -> int:
        """Return how many frames a clip is asked for: what batches are padded to."""
        ...

    def draws(self, training: bool) -> bool:
        """Return whether the choice is random, so that it cannot be kept between epochs."""
        ...

    def __call__(
        self, count: int, times: NDArray[np.float64], training: bool, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return indices in `[0, count)`: sorted, distinct, at least one, at most as many as the options ask.

        `times (count,)` are seconds from the first frame. Too short a video gives fewer; the batch pads.
        """
        ...


@runtime_checkable
class Reader(Protocol):
    """Reads video files. Both calls raise `VideoError`, naming the file, where it cannot be read."""

    def times(self, video: VideoRef) -> NDArray[np.float64]:
        """Return the time of every frame `(count,)` in seconds from the first, ascending, within the segment."""
        ...

    def read(self, video: VideoRef, indices: NDArray[np.int64], needs: Needs, size: SizeRule | None) -> Clip:
        """Return the frames of a full sequential decode at `indices`, upright.

        A reader may scale them by `size`; otherwise the transform does.
        """
        ...


@runtime_checkable
class MaskGenerator(Protocol):
    """Marks what matters in each frame of a clip.

    May offer `remarks(clip)`, one short string a frame: why another mask stands there than the one it looked for
    ("cut", "empty"), and "" where none does. `fdakit data masks` counts them.
    """

    needs: Needs
    place: Place

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """Alpha float32 `(t, h, w)` in [0, 1], one mask a frame; the clip stays untouched."""
        ...


class Stem(Protocol):
    """The encoder's stem as a fusion sees it."""

    convolutions: tuple[StemConvolution, ...]

    def __call__(self, rgb: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return what each convolution makes of `rgb (n, 3, h, w)`: maps `(n, d, gh, gw)`."""
        ...


class AlphaFusion(Protocol):
    """Joins alpha to RGB at the encoder's stem. May be an `nn.Module`; normalises alpha itself."""

    def __call__(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem) -> Fused:
        """Return `rgb (n, 3, h, w)` normalised, `alpha (n, 1, h, w)` in [0, 1]."""
        ...


Fuse = Callable[["torch.Tensor", Stem], Fused]
"""A fusion that already holds its alpha: `fuse(rgb, stem)`."""


@dataclass(frozen=True)
class Preprocess:
    """How a tower wants its pictures: the view follows it unless `[view]` overrides.

    `size` pixels a side; `mean` and `std` of RGB in [0, 1]; `resize` is `shortest` (then centre crop),
    `squash` (aspect lost) or `longest` (then black bars fill up the shorter side). `source` says in words where this
    is known from, for the report. `unknown` names the fields, size apart, that nothing tells of these weights:
    `[view]` must set them then, and `source` says what there is to choose from.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"
    resize: str = "shortest"
    source: str = field(default="the encoder's own", compare=False)
    unknown: tuple[str, ...] = ()


class Encoder(Protocol):
    """The two towers. Owns every tower weight; is an `nn.Module`.

    May offer `parameter_role(name)`, which says of each of its weights what it is to training; `pretrained`, false
    where its weights are random draws; and `shared_words(texts)`, groups of different words in the texts that it
    cannot tell apart, which a run warns of. `former_preprocess` is what an older fdakit took for its pictures,
    where that was another: a checkpoint of that time was trained with it.
    """

    shapes: BuildContext
    preprocess: Preprocess

    def encode_frames(self, frames: torch.Tensor, valid: torch.Tensor, fuse: Fuse) -> FrameFeatures:
        """Frames `(v, t, 3, h, w)` normalised, `valid (v, t)` -> one vector a frame, `(v, t, d)`.

        Calls `fuse` once, with the valid frames alone, in order: `(n, 3, h, w)`.
        """
        ...

    def encode_texts(self, texts: Sequence[str]) -> TextFeatures:
        """Return one vector a text `(q, d)`; too long a text is cut to the context and says so in `cut`."""
        ...


class TemporalAggregator(Protocol):
    """Makes one vector a video."""

    text_conditioned: bool
    indexable: bool

    def __call__(self, frames: FrameFeatures, texts: TextFeatures | None) -> torch.Tensor:
        """Return `(v, d)`, or `(q, v, d)` for the block of texts given where `text_conditioned`."""
        ...


class Objective(Protocol):
    """What training minimises. May be an `nn.Module` with weights of its own (a logit scale, a captioner).

    May offer `chance_loss(batch_size)`, the sum of its losses where nothing tells the pairs of a batch apart: a
    training whose loss stays there is told of.
    """

    def __call__(
        self, frames: FrameFeatures, videos: torch.Tensor, texts: TextFeatures, batch: Batch
    ) -> Mapping[str, torch.Tensor]:
        """Named scalar losses; their sum is minimised. Text i belongs to video i."""
        ...


class Dataset(Protocol):
    """Splits of videos, captions and the protocol they are scored under.

    May offer `sources()`, one `SourceFile` for each file or folder it is read from, and `root`, the folder they lie
    in: `fdakit data prepare` lays it out and says what to download from where.
    """

    def splits(self) -> tuple[str, ...]:
        """Return the names `load` accepts."""
        ...

    def load(self, split: str, progress: Progress) -> Split:
        """Return the split; raises `DatasetError` naming what is absent. Files are checked by the caller."""
        ...


class Rescorer(Protocol):
    """Changes similarities after the fact, as dual softmax does; always reported in a row of its own.

    `needs_all_queries`: a query's scores depend on the other queries, so nobody who searches online can have them.
    `needs_bank`: it is given the similarities of training captions. `directions`: those it has a formula for.
    """

    needs_all_queries: bool
    needs_bank: bool
    directions: tuple[Direction, ...]

    def __call__(self, scores: Scores, bank: NDArray[np.float32] | None, direction: Direction) -> Scores:
        """Return new scores of the same shape, for this direction only; the old ones are not modified.

        `bank (b, v)`: similarities of training captions to the same videos; None unless `needs_bank`.
        """
        ...


@runtime_checkable
class RemarksOnScores(Protocol):
    """A rescorer that has something to say of the scores that it is given; optional."""

    def remarks(self, scores: Scores) -> Iterable[str]:
        """Return what must be read beside the rescored numbers, a sentence each."""
        ...


class OptimiserFactory(Protocol):
    """Makes the optimiser for parameter groups that already carry their learning rates."""

    def __call__(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return an optimiser of groups with `params`, `name`, `lr`, and `decays`.

        `decays` is false for biases, norms and scales.
        """
        ...


class Observer(Protocol):
    """Watches a run. A failing observer is named, warned about once and left out.

    May offer `close()`, called when the run is over, however it ended.
    """

    def run_started(self, run: RunInfo) -> None:
        """Before the first step or, without training, before evaluation."""
        ...

    def progressed(self, what: str, done: int, total: int) -> None:
        """Long work moved on: rendering, training steps, encoding."""
        ...

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        """After each epoch: `epoch`, `loss`, `learning_rate`, `seconds`, and validation metrics if any."""
        ...

    def run_finished(self, report: Mapping[str, Any]) -> None:
        """With the report as it stands in report.json."""
        ...


@dataclass(frozen=True)
class RunInfo:
    """What an observer may know of a run: name, folder (None if nothing is written), seed, sizes.

    `parameters` are those of the retriever and its objectives, `trained` of them train: `fdakit check --verbose`
    counts the same.
    """

    name: str
    folder: Path | None
    seed: int
    epochs: int
    steps: int
    parameters: int
    device: str
    past: tuple[Mapping[str, float], ...] | None = None
    trained: int = 0
