"""No aggregation: every vector of the encoder is kept, for matchers that compare several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.plugin import BuildContext, Component, Gives, Options, TemporalAggregator, VideoFeatures, hookimpl


class NoAggregationOptions(Options):
    """No options."""


class NoAggregation:
    """Gives the features as they are."""

    gives: Gives = "vectors"

    def __call__(self, features: VideoFeatures) -> VideoFeatures:
        """Return the features `(v, m, d)`."""
        return features


def build(options: NoAggregationOptions, shapes: BuildContext) -> TemporalAggregator:
    """Return the aggregator, which has no weights."""
    return NoAggregation()


NONE = Component(
    "none",
    "keep every vector of the encoder, for a matcher that compares several",
    NoAggregationOptions,
    build,
    when="the matcher compares several vectors of a video, as max-sim",
    declares={"gives": "vectors"},
)


@hookimpl
def fdakit_aggregators() -> Iterable[Component[Any, TemporalAggregator]]:
    return (NONE,)
