"""The retriever: encoder, fusion and aggregator combined, as stored in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import nn

from fdakit.errors import PartError, attribute_errors
from fdakit.plugin.contracts import Preprocess, Stem
from fdakit.values import FrameFeatures, Fused, TextFeatures, describe

T = TypeVar("T")


class Retriever(nn.Module):
    """Frames and alpha to video vectors, texts to text vectors, both to cosine scores.

    `labels` give each part with its provider, for errors.
    """

    def __init__(
        self, *, encoder: Any, fusion: Any, aggregator: Any, preprocess: Preprocess, labels: Mapping[str, str]
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.fusion = fusion
        self.aggregator = aggregator
        self.labels = dict(labels)
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

    def encode_frames(
        self, frames: torch.Tensor, alpha: torch.Tensor, valid: torch.Tensor, times: torch.Tensor | None = None
    ) -> FrameFeatures:
        """Encode `frames (v, t, 3, h, w)` uint8 with `alpha (v, t, 1, h, w)` in [0, 1] to one vector a frame."""
        rgb = self.normalise(frames)
        chosen = alpha.flatten(0, 1)
        if not bool(valid.all()):
            chosen = chosen[valid.flatten()]

        def fuse(pixels: torch.Tensor, stem: Stem) -> Fused:
            with attribute_errors(self.labels["fusion"], "in the forward pass"):
                fused = self.fusion(pixels, chosen, stem)
            return _given(fused, Fused, self.labels["fusion"], "in the forward pass")

        with attribute_errors(self.labels["encoder"], "while encoding frames"):
            features = self.encoder.encode_frames(rgb, valid, fuse)
        features = _given(features, FrameFeatures, self.labels["encoder"], "while encoding frames")
        return replace(features, times=times, coverage=alpha.mean(dim=(2, 3, 4)))

    def normalise(self, frames: torch.Tensor) -> torch.Tensor:
        """Convert uint8 to float32, divide by 255, then apply (x - mean) / std as torchvision does."""
        mean, std = self.get_buffer("_mean"), self.get_buffer("_std")
        return frames.to(torch.float32).div_(255).sub_(mean).div_(std)

    def encode_texts(self, texts: Sequence[str]) -> TextFeatures:
        """Return one vector a text `(q, d)`."""
        with attribute_errors(self.labels["encoder"], "while encoding texts"):
            features = self.encoder.encode_texts(texts)
        return _given(features, TextFeatures, self.labels["encoder"], "while encoding texts")

    def video_vectors(self, frames: FrameFeatures, texts: TextFeatures | None = None) -> torch.Tensor:
        """Return video vectors `(v, d)`, or `(q, v, d)` if the aggregator depends on the texts."""
        with attribute_errors(self.labels["aggregator"], "while pooling frames"):
            vectors = self.aggregator(frames, texts if self.text_conditioned else None)
        return _given(vectors, torch.Tensor, self.labels["aggregator"], "while pooling frames")

    @property
    def text_conditioned(self) -> bool:
        """Whether a video's vector depends on the text it is compared with."""
        return bool(self.aggregator.text_conditioned)

    def scores(self, videos: torch.Tensor, texts: TextFeatures) -> torch.Tensor:
        """Return the cosine similarities `(q, v)` of video vectors `(v, d)` or `(q, v, d)` and texts."""
        return cosine(texts.vectors, videos)


def _given(value: Any, wanted: type[T], label: str, where: str) -> T:
    """Return the result of a part. Raises `PartError` if it is not of the type that its contract states."""
    if not isinstance(value, wanted):
        raise PartError(f"{label} failed {where}: returned {describe(value)}; wanted {wanted.__name__}")
    return value


def cosine(texts: torch.Tensor, videos: torch.Tensor) -> torch.Tensor:
    """Return cosine similarities `(q, v)` float32 of `texts (q, d)` and `videos (v, d)` or `(q, v, d)`."""
    left = nn.functional.normalize(texts.float(), dim=-1)
    right = nn.functional.normalize(videos.float(), dim=-1)
    if right.ndim == 2:
        return left @ right.T
    return torch.einsum("qd,qvd->qv", left, right)
