"""The values that pass between the towers and what compares them: clips and features, frozen, checked when made.

Shapes are written `(v, m, d)`: v videos, m vectors of each, q texts, l tokens, d embedding width. Every value that
holds rows can be joined (`cat`) and taken apart (`rows`) as a whole, so that no field is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

from .feature_rows import joined, lengthened, moved, taken
from .values import Batch, describe

if TYPE_CHECKING:
    import torch

FeatureKind = Literal["frame", "clip", "patch"]
"""What a vector of a video stands for: one of its frames, the clip (or a part of it), or a patch of a frame."""

PixelForm = Literal["normalised", "unit", "uint8"]
"""How an encoder wants pixels: `(x / 255 - mean) / std`, `x / 255`, or uint8 as decoded."""

FusionOutput = Literal["pixels", "stem", "attention_bias", "keep"]
"""Where a fusion can act: changed pixels, maps of the stem, logits of attention, and which patches stay."""

_BY_VECTOR = ("vectors", "valid", "times", "coverage")
_BY_TOKEN = ("tokens", "mask", "ids")


@dataclass(frozen=True)
class ClipBatch:
    """Clips on the model's device, padded to one length.

    `frames (v, t, 3, h, w)` in the pixel form that the encoder declares, or uint8 for a mask; `valid (v, t)` is false
    where a clip was padded; `times (v, t)` in seconds. `places (n,)` are the positions of the valid frames among all
    v * t; left out, they are computed. `neighbours` and `luma` are there for a mask on the device that needs them: by
    gap, `(v, t, 3, h, w)` and `(v, t, h, w)`, uint8; see `Batch` for gap 0.
    """

    frames: torch.Tensor
    valid: torch.Tensor
    times: torch.Tensor
    places: torch.Tensor | None = None
    neighbours: Mapping[int, torch.Tensor] = field(default_factory=dict)
    luma: Mapping[int, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.frames.ndim != 5 or self.valid.shape != self.frames.shape[:2]:
            raise ValueError(
                f"frames {describe(self.frames)} with valid {describe(self.valid)}; wanted (v, t, 3, h, w) and (v, t)"
            )

    @classmethod
    def of(cls, batch: Batch, device: torch.device) -> ClipBatch:
        """Return a loader's batch on a device, frames uint8; nothing is waited for."""
        places = batch.valid.flatten().nonzero().squeeze(1)
        times = batch.times.float() if device.type == "mps" else batch.times  # which has no float64
        frames, valid = batch.frames.to(device), batch.valid.to(device)
        near, luma = (
            {gap: beside.to(device) for gap, beside in held.items()} for held in (batch.neighbours, batch.luma)
        )
        return cls(frames, valid, times.to(device), places.to(device), near, luma)

    @property
    def for_mask(self) -> ClipBatch:
        """The clips as their mask sees them: in their own colours, whatever training changes for the encoder."""
        if 0 not in self.neighbours:
            return self
        beside = {gap: frames for gap, frames in self.neighbours.items() if gap}
        return replace(self, frames=self.neighbours[0], neighbours=beside)

    @property
    def seconds(self) -> torch.Tensor:
        """The time from the first to the last frame of each clip `(v,)`."""
        return self.times.masked_fill(~self.valid.to(self.times.device), 0).amax(1) - self.times[:, 0]

    @cached_property
    def positions(self) -> torch.Tensor:
        """The positions of the valid frames among all v * t, int64 `(n,)`, ascending."""
        return self.valid.flatten().nonzero().squeeze(1) if self.places is None else self.places

    def packed(self, values: torch.Tensor | None = None) -> torch.Tensor:
        """Return the valid frames `(n, 3, h, w)`, in order; of other `values (v, t, ...)` their valid rows."""
        flat = (self.frames if values is None else values).flatten(0, 1)
        return flat if len(self.positions) == len(flat) else flat[self.positions]

    def unpacked(self, values: torch.Tensor) -> torch.Tensor:
        """Return `(v, t, ...)` of rows `(n, ...)` that belong to the valid frames; 0 where a clip was padded."""
        if len(values) < self.valid.numel():
            values = values.new_zeros((self.valid.numel(), *values.shape[1:])).index_copy(0, self.positions, values)
        return values.view(*self.valid.shape, *values.shape[1:])

    def __repr__(self) -> str:
        return f"ClipBatch(frames={describe(self.frames)}, valid={describe(self.valid)})"


@dataclass(frozen=True)
class VideoFeatures:
    """Vectors of videos `(v, m, d)`; `valid (v, m)` is false where a vector means nothing.

    `kind` is what a vector stands for. m is the number of frames only for `frame`; `times (v, m)` in seconds and
    `coverage (v, m)`, the share of the frame that alpha marks, may be there only then.
    """

    vectors: torch.Tensor
    valid: torch.Tensor
    kind: FeatureKind = "frame"
    times: torch.Tensor | None = None
    coverage: torch.Tensor | None = None

    def __post_init__(self) -> None:
        fit = self.vectors.ndim == 3 and self.valid.shape == self.vectors.shape[:2]
        if not fit or self.kind not in get_args(FeatureKind):
            shown = f"vectors {describe(self.vectors)} with valid {describe(self.valid)} of kind {self.kind!r}"
            raise ValueError(f"{shown}; wanted (v, m, d) and (v, m), of kind {', '.join(get_args(FeatureKind))}")

    @classmethod
    def of_clips(cls, vectors: torch.Tensor) -> VideoFeatures:
        """Return the features of videos with one vector each, `vectors (v, d)`."""
        return cls(vectors.unsqueeze(1), vectors.new_ones((len(vectors), 1)).bool(), kind="clip")

    def without_vectors(self) -> VideoFeatures:
        """Return the same videos without a valid vector."""
        return replace(self, valid=self.valid & False)

    @property
    def vector(self) -> torch.Tensor:
        """The vector of each video `(v, d)`. Raises `ValueError` if a video has several."""
        if self.vectors.shape[1] != 1:
            raise ValueError(f"vectors {describe(self.vectors)}; wanted one vector a video, (v, 1, d)")
        return self.vectors[:, 0]

    @staticmethod
    def cat(parts: Sequence[VideoFeatures]) -> VideoFeatures:
        """Return the videos of all parts, padded to the largest m."""
        length = max(part.vectors.shape[1] for part in parts)
        return joined([lengthened(part, length, _BY_VECTOR) for part in parts])

    def rows(self, index: torch.Tensor | slice) -> VideoFeatures:
        """Return some of the videos; -1 in an index gives one without a valid vector."""
        return taken(self, index)

    def to(self, device: torch.device | str) -> VideoFeatures:
        """Return the features on a device; times in float32 where it has no float64."""
        return moved(self, device)

    def float(self) -> VideoFeatures:
        """Return the vectors in float32; autocast gives bfloat16."""
        return replace(self, vectors=self.vectors.float())

    def __repr__(self) -> str:
        return f"VideoFeatures({self.kind}, vectors={describe(self.vectors)}, valid={describe(self.valid)})"


@dataclass(frozen=True)
class TextFeatures:
    """One vector a text: `vectors (q, d)`; the rest is None where an encoder does not tell it.

    `tokens (q, l, d)` are vectors of the tokens in the space of the video's vectors, and `mask (q, l)` is false where
    a token only pads. `ids (q, l)` are token ids; `cut (q,)` marks the texts of which the context holds only a part.
    """

    vectors: torch.Tensor
    tokens: torch.Tensor | None = None
    mask: torch.Tensor | None = None
    ids: torch.Tensor | None = None
    cut: torch.Tensor | None = None

    def __post_init__(self) -> None:
        count = self.vectors.shape[0]
        others = [value for name in ("tokens", "mask", "ids", "cut") if (value := getattr(self, name)) is not None]
        if self.vectors.ndim != 2 or any(other.shape[0] != count for other in others):
            raise ValueError(
                f"vectors {describe(self.vectors)} with {', '.join(map(describe, others))}; wanted (q, d)"
            )
        if self.tokens is not None and (self.mask is None or self.mask.shape != self.tokens.shape[:2]):
            raise ValueError(
                f"tokens {describe(self.tokens)} with mask {describe(self.mask)}; wanted (q, l, d), (q, l)"
            )

    @staticmethod
    def cat(parts: Sequence[TextFeatures]) -> TextFeatures:
        """Return the texts of all parts, tokens padded to the longest. A field that one of them lacks is None."""
        held = [value for part in parts for name in _BY_TOKEN if (value := getattr(part, name)) is not None]
        length = max((value.shape[1] for value in held), default=0)
        return joined([lengthened(part, length, _BY_TOKEN) for part in parts])

    def rows(self, index: torch.Tensor | slice) -> TextFeatures:
        """Return some of the texts."""
        return taken(self, index)

    def to(self, device: torch.device | str) -> TextFeatures:
        """Return the features on a device."""
        return moved(self, device)

    def float(self) -> TextFeatures:
        """Return vectors and tokens in float32; autocast gives bfloat16."""
        return replace(
            self, vectors=self.vectors.float(), tokens=None if self.tokens is None else self.tokens.float()
        )

    def __repr__(self) -> str:
        return f"TextFeatures(vectors={describe(self.vectors)}, tokens={describe(self.tokens)})"


@dataclass(frozen=True)
class Fused:
    """What a fusion hands back to the encoder; what is None stays as it was.

    `pixels (n, 3, h, w)`, normalised, are looked at instead of the frames: any tower can do that. `features` holds
    one map `(n, d, gh, gw)` for each convolution of the stem, in its order, instead of the stem's own; a fusion gives
    one of the two. `attention_bias (n, gh * gw)` is added to the attention logits on those keys, from block
    `bias_from` on. `keep (n, k)` lists the grid positions that stay, ascending. With `keep_counts (n,)` only the
    first so many of each row stay; frames of one count are encoded together, so different counts should be few.
    """

    features: tuple[torch.Tensor, ...] | None = None
    attention_bias: torch.Tensor | None = None
    bias_from: int = 0
    keep: torch.Tensor | None = None
    pixels: torch.Tensor | None = None
    keep_counts: torch.Tensor | None = None

    def __post_init__(self) -> None:
        if self.keep_counts is not None and self.keep is None:
            raise ValueError("keep_counts without keep; give the positions that it counts")
        if self.pixels is not None and self.features is not None:
            raise ValueError("pixels and maps of the stem at once; give one of the two")

    def outputs(self) -> frozenset[FusionOutput]:
        """Return which of its outputs are there."""
        given: dict[FusionOutput, Any] = {
            "pixels": self.pixels,
            "stem": self.features,
            "attention_bias": self.attention_bias,
            "keep": self.keep,
        }
        return frozenset(name for name, value in given.items() if value is not None)


@dataclass(frozen=True)
class PairFeatures:
    """What an objective sees of a batch of pairs, of which text i belongs to video i.

    `frames` are the encoder's features of the clips, `videos` the aggregator's, `texts` those of the captions.
    """

    frames: VideoFeatures
    videos: VideoFeatures
    texts: TextFeatures
    batch: Batch
    match: Callable[[TextFeatures, VideoFeatures], torch.Tensor]

    @cached_property
    def scores(self) -> torch.Tensor:
        """The similarities `(q, v)` float32 that the recipe's matcher gives; computed once."""
        return self.match(self.texts, self.videos)
