"""A matcher of tokens: for each token of a text a soft maximum over the vectors of a video, averaged over tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Matcher, Options, Stores, TextFeatures, VideoFeatures, hookimpl

if TYPE_CHECKING:
    import torch


class SoftTokensOptions(Options):
    """How soft."""

    sharpness: float = Field(10.0, gt=0, description="factor before the soft maximum")


class SoftTokens:
    """Log-sum-exp of cosines."""

    stores: Stores = "vectors"
    needs_tokens = True

    def __init__(self, sharpness: float) -> None:
        self.sharpness = sharpness

    def score(self, texts: TextFeatures, videos: VideoFeatures) -> torch.Tensor:
        """Return `(q, v)` of tokens `(q, l, d)` and vectors `(v, m, d)`."""
        import torch
        from torch.nn.functional import normalize

        assert texts.tokens is not None
        assert texts.mask is not None
        cosines = torch.einsum("qld,vmd->qvlm", normalize(texts.tokens, dim=-1), normalize(videos.vectors, dim=-1))
        soft = (self.sharpness * cosines).masked_fill(~videos.valid[:, None, :], -1e3).logsumexp(-1) / self.sharpness
        mask = texts.mask.unsqueeze(1).to(soft.dtype)
        return (soft * mask).sum(-1) / mask.sum(-1)


def build(options: SoftTokensOptions, shapes: BuildContext) -> Matcher:
    """Return the matcher."""
    return SoftTokens(options.sharpness)


SOFT_TOKENS = Component("soft-tokens", "soft late interaction", SoftTokensOptions, build)


@hookimpl
def fdakit_matchers() -> Iterable[Component[Any, Matcher]]:
    return (SOFT_TOKENS,)
