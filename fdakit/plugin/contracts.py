"""What parts promise each other: one Protocol a kind of part, and the small values that pass between them.

Nothing here imports torch: a plugin may import this module for free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import TieRule
from fdakit.features import (
    ClipBatch,
    Fused,
    FusionOutput,
    PairFeatures,
    PixelForm,
    TextFeatures,
    VideoFeatures,
)
from fdakit.query_ranks import Ranking
from fdakit.values import Clip, Needs, Place, Scores, Split, VideoRef

from .component import BuildContext, StemConvolution

if TYPE_CHECKING:
    import torch

SizeRule = Callable[[tuple[int, int]], tuple[int, int]]
"""`(h, w)` of an upright frame -> the (h, w) it is wanted in."""

Direction = Literal["t2v", "v2t"]
"""Text to video, where captions are the queries, and video to text, where videos are."""

DIRECTIONS: tuple[Direction, ...] = ("t2v", "v2t")

TextRole = Literal["query", "document"]
"""What a text is to a search: what is asked, or what is found. Most encoders make no difference."""

Gives = Literal["vector", "vectors"]
"""How many vectors of each video an aggregator gives: one, or several."""

Stores = Literal["vector", "vectors", "nothing"]
"""What a matcher compares texts with, so that an index can keep it; nothing where it must see the video again."""

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
    """Marks what matters in each frame of a clip, in the process that reads it; its `place` is `worker`.

    May offer `remarks(clip)`, one short string a frame: why another mask stands there than the one it looked for
    ("cut", "empty"), and "" where none does. `fdakit data masks` counts them.
    """

    needs: Needs
    place: Place

    def __call__(self, clip: Clip) -> NDArray[np.float32]:
        """Alpha float32 `(t, h, w)` in [0, 1], one mask a frame; the clip stays untouched."""
        ...


@runtime_checkable
class DeviceMaskGenerator(Protocol):
    """Marks what matters in each frame of a batch, on the model's device; its `place` is `device`.

    May be an `nn.Module` with weights: they train with the rest, under the role `mask`, and lie in the checkpoint.
    May offer `remarks(clips)`: of each clip, those that a mask of single clips has on its frames.
    """

    needs: Needs
    place: Place

    def __call__(self, clips: ClipBatch) -> torch.Tensor:
        """Return alpha `(v, t, h, w)` in [0, 1] of uint8 frames `(v, t, 3, h, w)`, neighbours and luma beside them.

        Masks of padded frames mean nothing; the clips stay untouched, and none depends on another of the batch.
        """
        ...


AnyMask = MaskGenerator | DeviceMaskGenerator
"""A mask, wherever it works."""


class Stem(Protocol):
    """The encoder's stem as a fusion sees it; `convolutions` are empty where it has none."""

    convolutions: tuple[StemConvolution, ...]

    def __call__(self, rgb: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return what each convolution makes of `rgb (n, 3, h, w)`: maps `(n, d, gh, gw)`."""
        ...


class AlphaFusion(Protocol):
    """Joins alpha to RGB. May be an `nn.Module`; normalises alpha itself.

    `uses` are the outputs that it may give: an encoder that does not accept one of them is refused before anything
    runs. A fusion that gives only `pixels` fits every encoder.
    """

    uses: frozenset[FusionOutput]

    def __call__(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem) -> Fused:
        """Return what changes, of `rgb (n, 3, h, w)` normalised and `alpha (n, 1, h, w)` in [0, 1]."""
        ...


Fuse = Callable[["torch.Tensor", "Stem | None"], Fused]
"""A fusion that already holds its alpha: `fuse(rgb, stem)`; an encoder without a stem gives None."""


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

    `pixel_form` is the form in which frames arrive: normalised by `preprocess`, divided by 255, or uint8. `accepts`
    are the outputs of a fusion that it can use; one with a stem takes normalised pixels. `frame_count` is the exact
    number of frames it needs, None where any will do; `fdakit check` compares it with the sampler's.

    What an encoder may offer beside is in `fdakit.plugin.abilities`.
    """

    shapes: BuildContext
    preprocess: Preprocess
    pixel_form: PixelForm
    accepts: frozenset[FusionOutput]
    frame_count: int | None

    def encode_videos(self, clips: ClipBatch, fuse: Fuse) -> VideoFeatures:
        """Return the vectors of the clips: one a frame, a clip, or a patch.

        Calls `fuse` once, with the valid frames alone, in order, in its own pixel form: `fuse(clips.packed(), stem)`.
        `Fused.pixels` come back in that form too.
        """
        ...

    def encode_texts(self, texts: Sequence[str], role: TextRole = "query") -> TextFeatures:
        """Return one vector a text `(q, d)`; too long a text is cut to the context and says so in `cut`."""
        ...


class TemporalAggregator(Protocol):
    """Makes what is compared of the encoder's features: one vector a video, or several; `gives` tells which."""

    gives: Gives

    def __call__(self, features: VideoFeatures) -> VideoFeatures:
        """Return `(v, 1, d)` where it gives a vector, else `(v, m, d)` with their `valid`."""
        ...


class Matcher(Protocol):
    """Compares texts with videos. May be an `nn.Module` with weights of its own.

    `stores` is what it needs of a video; a matcher that stores a vector is given `(v, 1, d)`. `needs_tokens`: it
    looks at the tokens of the texts. Everything that compares asks it: training, ranking, search.
    """

    stores: Stores
    needs_tokens: bool

    def score(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        """Return similarities `(q, v)`, higher for what fits better; features are float32.

        The score of a pair depends on that pair alone: it is called with blocks of texts and of videos.
        """
        ...


class Objective(Protocol):
    """What training minimises. May be an `nn.Module` with weights of its own (a logit scale, a captioner)."""

    def __call__(self, pairs: PairFeatures) -> Mapping[str, torch.Tensor]:
        """Named scalar losses; their sum is minimised. Text i belongs to video i."""
        ...


class Metric(Protocol):
    """A figure of merit by name, for reports."""

    def __call__(self, ranking: Ranking, ties: TieRule) -> Mapping[str, float]:
        """Return numbers by name, of the ranks of all queries of one direction."""
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


class OptimiserFactory(Protocol):
    """Makes the optimiser for parameter groups that already carry their learning rates."""

    def __call__(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return an optimiser of groups with `params`, `name`, `lr`, and `decays`.

        `decays` is false for biases, norms and scales.
        """
        ...
