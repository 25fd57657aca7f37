"""Mean pooling: L2 each frame, mean over the valid frames, L2 again.

`v = norm(sum_t valid_t * norm(f_t) / sum_t valid_t)`. Source: CLIP4Clip's meanP head (arXiv 2104.08860,
section 3.3), which FDA-CLIP keeps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.plugin import BuildContext, Component, Gives, Options, TemporalAggregator, VideoFeatures, hookimpl


class MeanOptions(Options):
    """No options."""


class Mean:
    """Mean of the unit vectors of a video, those of its frames or whatever its encoder gives."""

    gives: Gives = "vector"

    def __call__(self, features: VideoFeatures) -> VideoFeatures:
        """Return vectors `(v, 1, d)` of unit length from `(v, m, d)`."""
        from torch.nn.functional import normalize

        unit = normalize(features.vectors.float(), dim=-1) * features.valid.unsqueeze(-1)
        mean = unit.sum(1) / features.valid.sum(1, keepdim=True).clamp(min=1)
        return VideoFeatures.of_clips(normalize(mean, dim=-1))


def build(options: MeanOptions, shapes: BuildContext) -> TemporalAggregator:
    """Return the aggregator, which has no weights."""
    return Mean()


MEAN = Component(
    "mean",
    "mean of the normalised vectors of valid frames, normalised again",
    MeanOptions,
    build,
    declares={"gives": "vector"},
)


@hookimpl
def fdakit_aggregators() -> Iterable[Component[Any, TemporalAggregator]]:
    return (MEAN,)
