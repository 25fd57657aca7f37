"""Mean pooling: L2 each frame, mean over the valid frames, L2 again.

`v = norm(sum_t valid_t * norm(f_t) / sum_t valid_t)`. Source: CLIP4Clip's meanP head (arXiv 2104.08860,
section 3.3), which FDA-CLIP keeps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fdakit.plugin import BuildContext, Component, FrameFeatures, Options, TemporalAggregator, TextFeatures, hookimpl

if TYPE_CHECKING:
    import torch


class MeanOptions(Options):
    """No options."""


class Mean:
    """Mean over time of unit frame vectors; the same vector for every text."""

    text_conditioned = False
    indexable = True

    def __call__(self, frames: FrameFeatures, texts: TextFeatures | None) -> torch.Tensor:
        """Return vectors `(v, d)` of unit length from frames `(v, t, d)`."""
        from torch.nn.functional import normalize

        unit = normalize(frames.vectors.float(), dim=-1) * frames.valid.unsqueeze(-1)
        return normalize(unit.sum(1) / frames.valid.sum(1, keepdim=True).clamp(min=1), dim=-1)


def build(options: MeanOptions, shapes: BuildContext) -> TemporalAggregator:
    """Return the aggregator, which has no weights."""
    return Mean()


MEAN = Component("mean", "mean of the normalised vectors of valid frames, normalised again", MeanOptions, build)


@hookimpl
def fdakit_aggregators() -> Iterable[Component[Any, TemporalAggregator]]:
    return (MEAN,)
