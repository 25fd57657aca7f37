"""Max pooling: L2 each frame, the largest value of each feature over the valid frames, L2 again.

`v = norm(max_t norm(f_t))`. What one frame alone shows is kept however many frames lack it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.plugin import BuildContext, Component, Gives, Options, TemporalAggregator, VideoFeatures, hookimpl


class MaxOptions(Options):
    """No options."""


class Max:
    """Largest value of each feature among the unit vectors of a video."""

    gives: Gives = "vector"

    def __call__(self, features: VideoFeatures) -> VideoFeatures:
        """Return vectors `(v, 1, d)` of unit length from `(v, m, d)`; zeros for a video without a valid one."""
        from torch.nn.functional import normalize

        unit = normalize(features.vectors.float(), dim=-1)
        largest = unit.masked_fill(~features.valid.unsqueeze(-1), -2).amax(1)  # below every value of a unit vector
        largest = largest * features.valid.any(1, keepdim=True)
        return VideoFeatures.of_clips(normalize(largest, dim=-1))


def build(options: MaxOptions, shapes: BuildContext) -> TemporalAggregator:
    """Return the aggregator, which has no weights."""
    return Max()


MAX = Component(
    "max",
    "largest value of each feature over the normalised vectors of valid frames, normalised again",
    MaxOptions,
    build,
    when="what matters is in few of the frames; train with it",
    declares={"gives": "vector"},
)


@hookimpl
def fdakit_aggregators() -> Iterable[Component[Any, TemporalAggregator]]:
    return (MAX,)
