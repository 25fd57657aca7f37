"""The torch side of the built-in matchers, all of which compute in float32."""

from __future__ import annotations

import torch
from torch import nn
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


class MaxCosine:
    """For one vector a text the best cosine among the vectors of a video."""

    stores: Stores = "vectors"
    needs_tokens = False

    def score(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        """Return `(q, v)` of texts `(q, d)` and vectors `(v, m, d)`; a video without a valid vector has -1."""
        return best_cosines(texts.vectors.unsqueeze(1), videos.vectors, videos.valid).squeeze(-1)


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
        best = best_cosines(texts.tokens, videos.vectors, videos.valid)
        real = texts.mask[:, None, :].to(best.dtype)
        total = (best * real).sum(-1)
        return total / real.sum(-1).clamp(min=1) if self._mean else total


class TrainedMaxSim(nn.Module):
    """`MaxSim` of what two linear maps make of tokens and vectors, or with learned weights of tokens, or with both.

    The maps begin as the identity and the weights as equal ones, so that it begins as `MaxSim`.
    """

    stores: Stores = "vectors"
    needs_tokens = True

    def __init__(self, width: int, *, mean: bool, projection: bool, weighted: bool) -> None:
        super().__init__()
        self._mean = mean
        self.tokens, self.vectors = (_identity(width) if projection else None for _ in range(2))
        self.weight = nn.Parameter(torch.zeros(width)) if weighted else None

    def score(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        """Return `(q, v)` of tokens `(q, l, d)` and vectors `(v, m, d)`."""
        assert texts.tokens is not None
        assert texts.mask is not None
        tokens = texts.tokens if self.tokens is None else self.tokens(texts.tokens)
        vectors = videos.vectors if self.vectors is None else self.vectors(videos.vectors)
        best = best_cosines(tokens, vectors, videos.valid)
        return (best * self._shares(texts.tokens, texts.mask).unsqueeze(1)).sum(-1)

    def _shares(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the weight of each token `(q, l)`; those of a text add up to 1, or to their number."""
        counts = mask.sum(1, keepdim=True)
        logits = tokens.new_zeros(mask.shape) if self.weight is None else normalize(tokens, dim=-1) @ self.weight
        shares = logits.masked_fill(~mask, -1e4).softmax(-1)
        return shares if self._mean else shares * counts


def best_cosines(tokens: torch.Tensor, vectors: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Return `(q, v, l)`: for tokens `(q, l, d)` the best cosine among vectors `(v, m, d)`, -1 if none is valid."""
    cosines = torch.einsum("qld,vmd->qvlm", normalize(tokens, dim=-1), normalize(vectors, dim=-1))
    return cosines.masked_fill(~valid[None, :, None, :], -1.0).amax(-1)


def _identity(width: int) -> nn.Linear:
    layer = nn.Linear(width, width, bias=False)
    nn.init.eye_(layer.weight)
    return layer
