"""The torch side of `xpool`."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cosine_similarity

from fdakit.plugin import Stores, TextFeatures, VideoFeatures

_FAR = -1e4  # before the softmax: no weight at all, and still a number where a video has no valid vector


class XPool(nn.Module):
    """Scores `(q, v)` of one vector a text and several a video.

    With `n1`, `n2`, `n3` layer norms, W and F linear layers, text t and frames f of a video:
    a = softmax(n1(t) Wq (n1(f) Wk)^T / sqrt(d / heads)), r = n2(a (n1(f) Wv) Wo), z = n3(r + dropout(F r)), and the
    score is cos(t, z). The sums over frames and over Wo are exchanged, which changes nothing: the weights a add up
    to 1.
    """

    stores: Stores = "vectors"
    needs_tokens = False

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self._heads = heads
        self.norm_inputs, self.norm_pooled, self.norm_output = (nn.LayerNorm(width) for _ in range(3))
        self.query, self.key, self.value, self.output, self.feed_forward = (_identity(width) for _ in range(5))
        self.dropout = nn.Dropout(dropout)

    def score(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        """Return `(q, v)` of texts `(q, d)` and videos `(v, m, d)`; what is not valid has no weight."""
        return cosine_similarity(texts.vectors.unsqueeze(1), self.pooled(texts.vectors, videos), dim=-1)

    def pooled(self, texts: torch.Tensor, videos: VideoFeatures) -> torch.Tensor:
        """Return each video as each text `(q, d)` sees it, `(q, v, d)`."""
        frames = self.norm_inputs(videos.vectors)
        weights = self.weights(texts, videos)
        values = torch.einsum("vmhi,dhi->vmhd", _by_head(self.value(frames), self._heads), self._output_by_head())
        seen = torch.einsum("qvmh,vmhd->qvd", weights, values) + self.output.bias
        seen = self.norm_pooled(seen)
        found: torch.Tensor = self.norm_output(seen + self.dropout(self.feed_forward(seen)))
        return found

    def weights(self, texts: torch.Tensor, videos: VideoFeatures) -> torch.Tensor:
        """Return the attention of texts `(q, d)` over the vectors of videos, by head, `(q, v, m, heads)`."""
        query = _by_head(self.query(self.norm_inputs(texts)), self._heads)
        key = _by_head(self.key(self.norm_inputs(videos.vectors)), self._heads)
        logits: torch.Tensor = torch.einsum("qhi,vmhi->qvmh", query, key) / query.shape[-1] ** 0.5
        return logits.masked_fill(~videos.valid[None, :, :, None], _FAR).softmax(2)

    def _output_by_head(self) -> torch.Tensor:
        """Return the weights of the layer after the attention `(d, heads, d / heads)`."""
        return _by_head(self.output.weight, self._heads)


def _identity(width: int) -> nn.Linear:
    layer = nn.Linear(width, width)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _by_head(values: torch.Tensor, heads: int) -> torch.Tensor:
    """Return `(..., heads, d / heads)` of `(..., d)`."""
    return values.view(*values.shape[:-1], heads, -1)
