"""Mean pooling in which frames count by how much of them the mask marks.

`v = norm(sum_t w_t * norm(f_t) / sum_t w_t)` with `w_t = max(coverage_t, floor)`, coverage the mean alpha of a frame.
The floor keeps frames without motion in the mean: a clip in which none has more than that is the plain mean, and so
is one whose frames are all marked alike, as under a full mask. Source: fdakit's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Gives, Options, TemporalAggregator, VideoFeatures, hookimpl


class MotionWeightedOptions(Options):
    """The least weight of a frame."""

    floor: float = Field(
        0.02,
        ge=1e-4,
        le=1,
        description="least weight of a frame, as a share of it that is marked; 1 is the plain mean",
    )


class MotionWeighted:
    """Weighted mean of the unit vectors of a video; the plain mean where an encoder gives none a frame."""

    gives: Gives = "vector"

    def __init__(self, floor: float) -> None:
        self._floor = floor

    def __call__(self, features: VideoFeatures) -> VideoFeatures:
        """Return vectors `(v, 1, d)` of unit length from `(v, m, d)` and `coverage (v, m)`, if there is one."""
        from torch.nn.functional import normalize

        unit = normalize(features.vectors.float(), dim=-1)
        weights = features.valid.float()
        if features.coverage is not None:
            covered = features.coverage.float().clamp(min=self._floor)
            weights = covered.masked_fill(~features.valid, 0)
        mean = (unit * weights.unsqueeze(-1)).sum(1) / weights.sum(1, keepdim=True).clamp(min=self._floor)
        return VideoFeatures.of_clips(normalize(mean, dim=-1))


def build(options: MotionWeightedOptions, shapes: BuildContext) -> TemporalAggregator:
    """Return the aggregator, which has no weights."""
    return MotionWeighted(options.floor)


MOTION_WEIGHTED = Component(
    "motion-weighted",
    "mean in which frames count by the share of them that the mask marks",
    MotionWeightedOptions,
    build,
    when="captions tell what moves, and it moves in a few of the frames; needs an encoder of frames",
    declares={"gives": "vector"},
)


@hookimpl
def fdakit_aggregators() -> Iterable[Component[Any, TemporalAggregator]]:
    return (MOTION_WEIGHTED,)
