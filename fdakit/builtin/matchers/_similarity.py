"""The torch side of the built-in matchers. None has weights; all compute in float32."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from fdakit.plugin import Stores, TextFeatures, VideoFeatures


class Dot:
    """Inner products of one vector a text and one a video."""

    stores: Stores = "vector"
    needs_tokens = False

    def score(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        """Return `(q, v)` of texts `(q, d)` and videos `(v, 1, d)`."""
        return self.product_vectors(texts.vectors) @ self.product_vectors(videos.vector).T

    def product_vectors(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the vectors `(n, d)` as they are."""
        return vectors


class Cosine(Dot):
    """Inner products of unit vectors."""

    def product_vectors(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the vectors `(n, d)` with length 1."""
        return normalize(vectors, dim=-1)


class MaxSim:
    """For each token of a text the best cosine among the vectors of a video; their sum, or their mean."""

    stores: Stores = "vectors"
    needs_tokens = True

    def __init__(self, *, mean: bool) -> None:
        self._mean = mean

    def score(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        """Return `(q, v)` of tokens `(q, l, d)` and vectors `(v, m, d)`; a video without a valid vector has -l."""
        assert texts.tokens is not None
        assert texts.mask is not None
        tokens, vectors = normalize(texts.tokens, dim=-1), normalize(videos.vectors, dim=-1)
        cosines = torch.einsum("qld,vmd->qvlm", tokens, vectors)
        best = cosines.masked_fill(~videos.valid[None, :, None, :], -1.0).amax(-1)
        real = texts.mask[:, None, :].to(best.dtype)
        total = (best * real).sum(-1)
        return total / real.sum(-1).clamp(min=1) if self._mean else total
