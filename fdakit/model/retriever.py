"""The retriever: encoder, fusion, aggregator and matcher combined, as stored in a checkpoint.

With them a mask that works on the device; if it has weights, they train with the rest and lie in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import nn

from fdakit.errors import PartError, attribute_errors
from fdakit.features import ClipBatch, Fused, TextFeatures, VideoFeatures
from fdakit.plugin.clip_abilities import FusesClips
from fdakit.plugin.contracts import (
    AlphaFusion,
    DeviceMaskGenerator,
    Encoder,
    Fuse,
    Matcher,
    Preprocess,
    Stem,
    TemporalAggregator,
    TextRole,
)
from fdakit.values import Needs, describe

from .device_masks import device_alpha, tried_device_alpha
from .fused_checks import FusedTrail, fused_fault
from .no_stem import NoStem
from .pixel_forms import PixelSteps

T = TypeVar("T")

_NOT_FINITE = "values that are not finite; look for NaN in its weights too"


class Retriever(nn.Module):
    """Clips and alpha to video features, texts to text features, both to scores.

    `mask` is the recipe's if it works on the device, else None: alpha comes with the clips then. `labels` give each
    part with its provider, for errors.
    """

    encoder: Encoder
    fusion: AlphaFusion
    aggregator: TemporalAggregator
    matcher: Matcher
    mask: DeviceMaskGenerator | None

    def __init__(
        self,
        *,
        encoder: Encoder,
        fusion: AlphaFusion,
        aggregator: TemporalAggregator,
        matcher: Matcher,
        preprocess: Preprocess,
        labels: Mapping[str, str],
        mask: DeviceMaskGenerator | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.fusion = fusion
        self.aggregator = aggregator
        self.matcher = matcher
        self.mask = mask
        self._tried_masks: set[bool] = set()  # whether in training mode, where the mask's first batch was looked at
        self.labels = dict(labels)
        self.pixel_steps = PixelSteps()
        self.register_buffer("_mean", torch.empty(3, 1, 1), persistent=False)
        self.register_buffer("_std", torch.empty(3, 1, 1), persistent=False)
        self.take_pictures_as(preprocess)

    def take_pictures_as(self, preprocess: Preprocess) -> None:
        """Set the image preprocessing: normalisation here, and `preprocess` for those who prepare the frames."""
        self.preprocess = preprocess
        with torch.no_grad():
            for name, values in (("_mean", preprocess.mean), ("_std", preprocess.std)):
                self.get_buffer(name).copy_(torch.tensor(values).view(3, 1, 1))

    def __repr__(self) -> str:
        count = sum(weight.numel() for weight in self.parameters())
        width, size = self.encoder.shapes.embedding, self.preprocess.size
        parts = "\n".join(f"  {label}" for label in self.labels.values())
        device = self.get_buffer("_mean").device
        return f"Retriever({size} px -> {width}-d vectors, {count:,} parameters on {device}\n{parts}\n)"

    @property
    def mask_needs(self) -> Needs | None:
        """What the mask on the device needs of the reader; None without one."""
        return None if self.mask is None else self.mask.needs

    def alphas(self, clips: ClipBatch) -> torch.Tensor:
        """Return the mask's alpha float32 `(v, t, 1, h, w)` of clips with uint8 frames; 0 where a clip was padded.

        Computed in full precision. The values are looked at in the first batch alone, once in training and once in
        evaluation, as that waits for the device. Raises `PartError` if the mask fails or gives something else, and
        `ValueError` if there is no mask on the device.
        """
        if self.mask is None:
            raise ValueError("this retriever has no mask on the device; its clips come with their alpha")
        make = device_alpha if self.training in self._tried_masks else tried_device_alpha
        with torch.autocast(clips.frames.device.type, enabled=False):
            alpha = make(self.mask, clips, label=self.labels["mask"])
        self._tried_masks.add(self.training)
        return alpha.masked_fill(~clips.valid[..., None, None], 0).unsqueeze(2)

    def encode_videos(self, clips: ClipBatch, alpha: torch.Tensor) -> VideoFeatures:
        """Encode clips, their frames uint8, with `alpha (v, t, 1, h, w)` in [0, 1]; aggregate nothing yet.

        Raises `PartError` if encoder or fusion fail or give something else.
        """
        return self._encoded(clips, alpha, FusedTrail(), values=False)

    def _encoded(self, clips: ClipBatch, alpha: torch.Tensor, trail: FusedTrail, *, values: bool) -> VideoFeatures:
        frames = self.pixel_steps.to_form(self.encoder.pixel_form, clips.frames, *self._colours())
        valid = clips.valid.clone()  # which is of other use later, whatever an encoder does to it
        shown = replace(clips, frames=frames, valid=valid, places=clips.positions, neighbours={}, luma={})
        numbers = clips.positions.div(clips.valid.shape[1], rounding_mode="floor")
        fuse = self._fuse(clips.packed(alpha), trail, values=values, clips=numbers)
        label, wanted = self.labels["encoder"], (len(clips.valid), self.encoder.shapes.embedding)
        try:
            with attribute_errors(label, "while encoding videos"):
                features = self.encoder.encode_videos(shown, fuse)
            features = _given(features, VideoFeatures, label, "while encoding videos")
            _fitting(features, features.vectors, wanted, label, "while encoding videos")
        except PartError as error:
            if fault := trail.fault(self.encoder.shapes):
                raise PartError(f"{self.labels['fusion']} failed in the forward pass: {fault}") from error
            raise
        if features.kind != "frame" or features.valid.shape != clips.valid.shape:
            return features
        return replace(features, times=clips.times, coverage=alpha.mean(dim=(2, 3, 4)))

    def check_videos(self, features: VideoFeatures, clips: ClipBatch, alpha: torch.Tensor) -> None:
        """Raise `PartError` if a video has no valid vector, or one that is not finite, by encoder or fusion.

        Waits for the device, so training does not ask.
        """
        label, where = self.labels["encoder"], "while encoding videos"
        if not bool(features.valid.any(1).all()):
            raise PartError(f"{label} failed {where}: a video has no valid vector")
        if not _finite(features.vectors, features.valid):
            trail = FusedTrail()
            self._encoded(clips, alpha, trail, values=True)
            label, where = (label, where) if trail.finite else (self.labels["fusion"], "in the forward pass")
            raise PartError(f"{label} failed {where}: gave {_NOT_FINITE}")

    def check_texts(self, features: TextFeatures) -> None:
        """Raise `PartError` if a text has no token to compare, or a vector that is not finite; waits as well."""
        label, mask = self.labels["encoder"], features.mask
        if features.tokens is not None and mask is not None and not bool(mask.any(1).all()):
            raise PartError(f"{label} failed while encoding texts: a text's mask leaves no token")
        fits = _finite(features.vectors) and (features.tokens is None or _finite(features.tokens, mask))
        if not fits:
            raise PartError(f"{label} failed while encoding texts: gave {_NOT_FINITE}")

    def check_aggregated(self, videos: VideoFeatures) -> None:
        """Raise `PartError` if the aggregator made a vector that is not finite; waits for the device as well."""
        if not _finite(videos.vectors, videos.valid):
            raise PartError(f"{self.labels['aggregator']} failed while aggregating features: gave {_NOT_FINITE}")

    def fuse_with(self, alpha: torch.Tensor) -> Fuse:
        """Return the fusion with its alpha `(n, 1, h, w)`, as an encoder calls it, in the encoder's pixel form."""
        return self._fuse(alpha, FusedTrail(), values=False)

    def _fuse(
        self, alpha: torch.Tensor, trail: FusedTrail, *, values: bool, clips: torch.Tensor | None = None
    ) -> Fuse:
        """Return the fusion with its alpha; `clips (n,)` numbers the clip of each frame, None for single pictures."""
        form, colours, label = self.encoder.pixel_form, self._colours(), self.labels["fusion"]
        steps = self.pixel_steps

        def fuse(pixels: torch.Tensor, stem: Stem | None) -> Fused:
            with attribute_errors(label, "in the forward pass"):
                rgb, seen = steps.to_normalised(form, pixels, *colours), stem or NoStem(label)
                if clips is not None and isinstance(self.fusion, FusesClips):
                    fused = self.fusion.fuse_clips(rgb, alpha, seen, clips)
                else:
                    fused = self.fusion(rgb, alpha, seen)
            fused = _given(fused, Fused, label, "in the forward pass")
            if fault := fused_fault(fused, pixels, uses=self.fusion.uses, shapes=self.encoder.shapes):
                raise PartError(f"{label} failed in the forward pass: {fault}")
            trail.note(fused, pixels, stem or NoStem(label), values=values)
            if fused.pixels is None or form == "normalised":
                return fused
            return replace(fused, pixels=steps.from_normalised(form, fused.pixels, *colours))

        return fuse

    def _colours(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.get_buffer("_mean"), self.get_buffer("_std")

    def encode_texts(self, texts: Sequence[str], role: TextRole = "query") -> TextFeatures:
        """Return the features of texts, `(q, d)` and, if the matcher compares them, their tokens."""
        return self._encode_texts(lambda: self.encoder.encode_texts(texts, role), len(texts))

    def encode_tokens(self, tokens: Mapping[str, torch.Tensor], count: int) -> TextFeatures:
        """Return what `encode_texts` does of so many queries, by the tokens that the encoder's tokeniser made."""
        encoder: Any = self.encoder  # `TokenisesApart`, as there are tokens
        return self._encode_texts(lambda: encoder.encode_tokens(tokens), count)

    def _encode_texts(self, encode: Callable[[], TextFeatures], count: int) -> TextFeatures:
        where = "while encoding texts"
        with attribute_errors(self.labels["encoder"], where):
            features = encode()
        features = _given(features, TextFeatures, self.labels["encoder"], where)
        wanted = (count, self.encoder.shapes.embedding)
        _fitting(features, features.vectors, wanted, self.labels["encoder"], where)
        if self.matcher.needs_tokens and features.tokens is None:
            raise PartError(
                f"{self.labels['encoder']} gives no vectors of tokens, which {self.labels['matcher']} compares; "
                "choose another encoder, or a matcher that needs none"
            )
        return features

    def aggregate(self, features: VideoFeatures) -> VideoFeatures:
        """Return what is compared of the encoder's features. Raises `PartError` if it is not what it should be."""
        label, where = self.labels["aggregator"], "while aggregating features"
        with attribute_errors(label, where):
            videos = self.aggregator(features)
        videos = _given(videos, VideoFeatures, label, where)
        _fitting(videos, videos.vectors, (len(features.vectors), videos.vectors.shape[-1]), label, where)
        if self.aggregator.gives == "vector" and videos.vectors.shape[1] != 1:
            raise PartError(f"{label} failed {where}: returned {videos!r}; it says that it gives a vector, (v, 1, d)")
        return videos

    def scores(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        """Return the matcher's similarities `(q, v)` float32, computed in full precision."""
        label, where = self.labels["matcher"], "while comparing texts with videos"
        with torch.autocast(videos.vectors.device.type, enabled=False), attribute_errors(label, where):
            scores = self.matcher.score(texts.float(), videos.float())
        scores = _given(scores, torch.Tensor, label, where)
        wanted = (len(texts.vectors), len(videos.vectors))
        if tuple(scores.shape) != wanted or not scores.is_floating_point():
            raise PartError(f"{label} failed {where}: returned {describe(scores)}; wanted {wanted}")
        return scores.float()


def _given(value: Any, wanted: type[T], label: str, where: str) -> T:
    """Return the result of a part. Raises `PartError` if it is not of the type that its contract states."""
    if not isinstance(value, wanted):
        raise PartError(f"{label} failed {where}: returned {describe(value)}; wanted {wanted.__name__}")
    return value


def _fitting(value: object, vectors: torch.Tensor, wanted: tuple[int, int], label: str, where: str) -> None:
    """Raise `PartError` if there are not as many rows as asked for, or vectors are not as wide as told."""
    if (vectors.shape[0], vectors.shape[-1]) != wanted or not vectors.is_floating_point():
        raise PartError(f"{label} failed {where}: returned {value!r}; wanted {wanted[0]} rows of width {wanted[1]}")


def _finite(values: torch.Tensor, counted: torch.Tensor | None = None) -> bool:
    """Return whether `values (..., d)` are finite where `counted (...)`."""
    fine = values.isfinite().all(-1)
    return bool((fine if counted is None else fine | ~counted).all())
