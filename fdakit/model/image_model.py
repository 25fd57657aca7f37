"""An encoder and a fusion used like open_clip's models: an image and its alpha to a vector, texts to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fdakit.errors import PluginError, attribute_errors
from fdakit.features import ClipBatch
from fdakit.plugin.abilities import HasLogitScale, HasTokenizer
from fdakit.plugin.contracts import Preprocess

from .clip_encoder import ClipEncoder
from .retriever import Retriever


class ImageTextModel(nn.Module):
    """`encode_image(image, alpha)` and `encode_text(texts)`; inputs are cast to the dtype of the weights.

    `tokenizer` is the encoder's own, `preprocess` its image preprocessing, `logit_scale` the natural logarithm of the
    factor it was trained with, as a float32 tensor. Parameter names are those of an fdakit checkpoint.
    """

    def __init__(self, retriever: Retriever) -> None:
        super().__init__()
        self.encoder = retriever.encoder
        self.fusion = retriever.fusion
        self._fuse_with = retriever.fuse_with
        self.preprocess: Preprocess = retriever.preprocess
        self.tokenizer: Any = self.encoder.tokenizer if isinstance(self.encoder, HasTokenizer) else None
        self.labels = retriever.labels
        self._log_scale = float(self.encoder.logit_scale) if isinstance(self.encoder, HasLogitScale) else 0.0

    @property
    def logit_scale(self) -> torch.Tensor:
        """A scalar whose exponential scales cosines to logits. 0 if the encoder has none."""
        return torch.tensor(self._log_scale, device=self._first().device)

    def _first(self) -> torch.Tensor:
        first: torch.Tensor = next(p for p in self.parameters() if p.is_floating_point())
        return first

    def encode_image(
        self, image: torch.Tensor, alpha: torch.Tensor | None = None, *, normalize: bool = False
    ) -> torch.Tensor:
        """Return vectors `(n, d)` of `image (n, 3, h, w)` normalised and `alpha (n, 1, h, w)` in [0, 1].

        1 is foreground, 0 background. Without alpha everything is foreground, 1, as Alpha-CLIP was trained for images
        without a region; 0.5 switches the alpha convolution off. `normalize` gives unit length. Raises `ValueError`
        for other shapes, or alpha outside [0, 1].
        """
        first = self._first()
        size = self.preprocess.size
        if image.ndim != 4 or not len(image) or tuple(image.shape[1:]) != (3, size, size):
            raise ValueError(
                f"image: found {tuple(image.shape)}; wanted (n, 3, {size}, {size}), n from 1, as the transform gives"
            )
        if alpha is None:
            alpha = image.new_ones((len(image), 1, size, size))
        _check_alpha(alpha, (len(image), 1, size, size))
        rgb, level = (value.to(device=first.device, dtype=first.dtype) for value in (image, alpha))

        valid = torch.ones((len(rgb), 1), dtype=torch.bool, device=first.device)
        clips = ClipBatch(rgb.unsqueeze(1), valid, torch.zeros_like(valid, dtype=torch.float64))
        with attribute_errors(self.labels["encoder"], "while encoding images"):
            features = self.encoder.encode_videos(clips, self._fuse_with(level))
        vectors = features.vectors[:, 0]
        return nn.functional.normalize(vectors, dim=-1) if normalize else vectors

    def encode_text(self, texts: Sequence[str] | torch.Tensor, *, normalize: bool = False) -> torch.Tensor:
        """Return vectors `(q, d)` of a list of texts, or of token ids `(q, l)` from `tokenizer`."""
        if isinstance(texts, str):
            raise TypeError(f"texts is {texts!r}, one text instead of several; give a list, as [{texts!r}]")
        with attribute_errors(self.labels["encoder"], "while encoding texts"):
            if isinstance(texts, torch.Tensor):
                vectors = self._encode_ids(texts)
            else:
                vectors = self.encoder.encode_texts(list(texts)).vectors
        return nn.functional.normalize(vectors, dim=-1) if normalize else vectors

    def _encode_ids(self, ids: torch.Tensor) -> torch.Tensor:
        if not isinstance(self.encoder, ClipEncoder):
            raise PluginError(f"{self.labels['encoder']}: takes texts, not token ids; give a list of str")
        encode: Any = self.encoder.clip.encode_text
        vectors: torch.Tensor = encode(ids.to(self._first().device))
        return vectors

    def forward(self, image: torch.Tensor, texts: Any, alpha: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        """Return unit vectors of images and texts, and the factor for their cosines, as open_clip's models do."""
        return (
            self.encode_image(image, alpha, normalize=True),
            self.encode_text(texts, normalize=True),
            self.logit_scale.exp(),
        )


def _check_alpha(alpha: torch.Tensor, shape: tuple[int, ...]) -> None:
    if tuple(alpha.shape) != shape:
        raise ValueError(f"alpha: found {tuple(alpha.shape)}; wanted {shape}, as the transform gives")
    low, high = (float(value) for value in alpha.detach().aminmax())
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"alpha: found values from {low:.3g} to {high:.3g}; give [0, 1], the model normalises it itself"
        )
