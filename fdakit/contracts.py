"""What crosses the plugin border: `Component`, `Options`, `Shapes`, `Stem`, and one Protocol a kind of part.

Nothing here imports torch: a plugin may import this module for free.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from .errors import PluginError
from .values import Batch, Clip, FrameFeatures, Fused, Needs, Place, Scores, Split, TextFeatures, VideoRef

if TYPE_CHECKING:
    import torch

SizeRule = Callable[[tuple[int, int]], tuple[int, int]]
"""`(h, w)` of an upright frame -> the (h, w) it is wanted in."""

Progress = Callable[[str, int, int], None]
"""`progress(what, done, total)`, called often during long work; cheap, and never required."""


class Options(BaseModel):
    """Base of every part's options: frozen, unknown keys refused, no infinity or NaN, strict types.

    Sequences are tuples. No option means two things by its type.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


@dataclass(frozen=True)
class Shapes:
    """Facts of the run that a part may need to build itself. What no encoder has told yet is 0.

    `grid` is the token grid (rows, columns); `width` the token width; `embedding` the width of the
    vectors that are compared. Masks, samplers, readers and datasets see only the first four.
    `pretrained` is false where a checkpoint fills the weights right after, so none need be fetched.
    """

    image_size: int = 224
    seed: int = 0
    cache: Path = Path()
    device: str = "cpu"
    grid: tuple[int, int] = (0, 0)
    prefix_tokens: int = 0
    width: int = 0
    embedding: int = 0
    layers: int = 0
    heads: int = 0
    context_length: int = 0
    vocabulary: int = 0
    stem: tuple[StemConvolution, ...] = ()
    pretrained: bool = True


@dataclass(frozen=True)
class StemConvolution:
    """One convolution that reads RGB: its name in the tower and the facts to put another beside it."""

    name: str
    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] | str
    dilation: tuple[int, int] = (1, 1)


O_contra = TypeVar("O_contra", bound=BaseModel, contravariant=True)
P_co = TypeVar("P_co", covariant=True)

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Component(Generic[O_contra, P_co]):
    """A part on offer: `name`, one line of `summary`, its `options` model, and `build(options, shapes)`.

    `when` tells in one line when to choose it, for `fdakit show`. Declare it as a module constant; the module
    must be importable without torch. Raises `PluginError` where the name is not lower-case words joined by hyphens.
    """

    name: str
    summary: str
    options: type[BaseModel]
    build: Callable[[O_contra, Shapes], P_co]
    when: str = ""

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and _NAME.fullmatch(self.name)):
            raise PluginError(
                f"component {self.name!r}: not a usable name; use lower-case words joined by hyphens, as 'my-mask'"
            )
        for what in ("summary", "when"):
            if not isinstance(text := getattr(self, what), str):
                raise PluginError(f"component {self.name!r}: {what} is {text!r}; give one line of text")
        if not (isinstance(self.options, type) and issubclass(self.options, BaseModel)):
            raise PluginError(
                f"component {self.name!r}: options is {self.options!r}; give a class derived from fdakit.Options"
            )
        if not callable(self.build):
            raise PluginError(f"component {self.name!r}: build is {self.build!r}; give build(options, shapes)")


@runtime_checkable
class FrameSampler(Protocol):
    """Says which frames of a video are looked at."""

    def frames(self, training: bool) -> int:
        """How many frames a clip is asked for: what batches are padded to."""
        ...

    def draws(self, training: bool) -> bool:
        """Whether the choice is random, so that it cannot be kept between epochs."""
        ...

    def __call__(
        self, count: int, times: NDArray[np.float64], training: bool, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Indices in `[0, count)`: sorted, distinct, at least one, at most as many as the options ask.

        `times (count,)` are seconds from the first frame. Too short a video gives fewer; the batch pads.
        """
        ...


@runtime_checkable
class Reader(Protocol):
    """Reads video files. Both calls raise `VideoError`, naming the file, where it cannot be read."""

    def times(self, video: VideoRef) -> NDArray[np.float64]:
        """Time of every frame `(count,)` in seconds from the first, ascending, within the segment."""
        ...

    def read(self, video: VideoRef, indices: NDArray[np.int64], needs: Needs, size: SizeRule | None) -> Clip:
        """The frames of a full sequential decode at `indices`, upright; a reader that can may scale them by `size`,
        the view does it otherwise."""
        ...


@runtime_checkable
class MaskGenerator(Protocol):
    """Marks what matters in each frame of a clip."""

    needs: Needs
    place: Place

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """Alpha float32 `(t, h, w)` in [0, 1], one mask a frame; the clip stays untouched."""
        ...


class Stem(Protocol):
    """The encoder's stem as a fusion sees it."""

    convolutions: tuple[StemConvolution, ...]

    def __call__(self, rgb: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What each convolution makes of `rgb (n, 3, h, w)`: maps `(n, d, gh, gw)`."""
        ...


class AlphaFusion(Protocol):
    """Joins alpha to RGB at the encoder's stem. May be an `nn.Module`; normalises alpha itself."""

    def __call__(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem) -> Fused:
        """`rgb (n, 3, h, w)` normalised, `alpha (n, 1, h, w)` in [0, 1]."""
        ...


Fuse = Callable[["torch.Tensor", Stem], Fused]
"""A fusion that already holds its alpha: `fuse(rgb, stem)`."""


@dataclass(frozen=True)
class Preprocess:
    """How a tower wants its pictures: the view follows it unless `[view]` overrides.

    `size` pixels a side; `mean` and `std` of RGB in [0, 1]; `resize` is `shortest` (then centre crop),
    `squash` (aspect lost) or `longest` (then black bars fill up the shorter side).
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"
    resize: str = "shortest"


class Encoder(Protocol):
    """The two towers. Owns every tower weight; is an `nn.Module`.

    May offer `parameter_role(name)`, which says of each of its weights what it is to training.
    """

    shapes: Shapes
    preprocess: Preprocess

    def encode_frames(self, frames: torch.Tensor, valid: torch.Tensor, fuse: Fuse) -> FrameFeatures:
        """Frames `(v, t, 3, h, w)` normalised, `valid (v, t)` -> one vector a frame, `(v, t, d)`.

        Calls `fuse` once, with the valid frames alone, in order: `(n, 3, h, w)`.
        """
        ...

    def encode_texts(self, texts: Sequence[str]) -> TextFeatures:
        """One vector a text `(q, d)`; too long a text is cut to the context and says so in `cut`."""
        ...


class TemporalAggregator(Protocol):
    """Makes one vector a video."""

    text_conditioned: bool
    indexable: bool

    def __call__(self, frames: FrameFeatures, texts: TextFeatures | None) -> torch.Tensor:
        """`(v, d)`, or `(q, v, d)` for the block of texts given where `text_conditioned`."""
        ...


class Objective(Protocol):
    """What training minimises. May be an `nn.Module` with weights of its own (a logit scale, a captioner)."""

    def __call__(
        self, frames: FrameFeatures, videos: torch.Tensor, texts: TextFeatures, batch: Batch
    ) -> Mapping[str, torch.Tensor]:
        """Named scalar losses; their sum is minimised. Text i belongs to video i."""
        ...


class Dataset(Protocol):
    """Splits of videos, captions and the protocol they are scored under."""

    def splits(self) -> tuple[str, ...]:
        """The names `load` accepts."""
        ...

    def load(self, split: str, progress: Progress) -> Split:
        """The split; raises `DatasetError` naming what is absent. Files are checked by the caller."""
        ...


class Rescorer(Protocol):
    """Changes similarities after the fact, as dual softmax does; always reported in a row of its own."""

    needs_all_queries: bool

    def __call__(self, scores: Scores, bank: NDArray[np.float32] | None) -> Scores:
        """`bank (b, v)`: similarities of training captions to the same videos, or None."""
        ...


class OptimiserFactory(Protocol):
    """Makes the optimiser for parameter groups that already carry their learning rates."""

    def __call__(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Groups hold `params`, `name`, `lr`, and `decays`: false for biases, norms and scales."""
        ...


class Observer(Protocol):
    """Watches a run. A failing observer is named, warned about once and left out."""

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
    """What an observer may know of a run: name, folder (None where nothing is written), seed, sizes."""

    name: str
    folder: Path | None
    seed: int
    epochs: int
    steps: int
    parameters: int
    device: str
