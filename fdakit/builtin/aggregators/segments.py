"""Segment vectors: the frames of a video in nearly equal parts of its time, each pooled as by `mean`.

`v_s = norm(sum_t norm(f_t))` over the valid frames t of part s: of n frames, frame t belongs to part
`floor(t * segments / n)`. A video of fewer frames than parts has a vector for each frame, and no others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Gives, Options, TemporalAggregator, VideoFeatures, hookimpl


class SegmentsOptions(Options):
    """The number of parts."""

    segments: int = Field(4, ge=1, le=64, description="parts of a video, each with a vector; 1: the mean of all")


class Segments:
    """Means of the unit vectors of each part of a video."""

    gives: Gives = "vectors"

    def __init__(self, segments: int) -> None:
        self._segments = segments

    def __call__(self, features: VideoFeatures) -> VideoFeatures:
        """Return vectors `(v, segments, d)` of unit length from `(v, m, d)`, in order of time.

        Parts without a valid vector are not valid, and 0.
        """
        import torch
        from torch.nn.functional import normalize

        unit = normalize(features.vectors.float(), dim=-1).masked_fill(~features.valid.unsqueeze(-1), 0)
        counts = features.valid.sum(1, keepdim=True)
        parts = (features.valid.cumsum(1) - 1) * self._segments // counts.clamp(min=1)
        numbers = torch.arange(self._segments, device=parts.device)[:, None]
        members = (parts.unsqueeze(1) == numbers) & features.valid.unsqueeze(1)
        return VideoFeatures(normalize(members.float() @ unit, dim=-1), members.any(2), kind="clip")


def build(options: SegmentsOptions, shapes: BuildContext) -> TemporalAggregator:
    """Return the aggregator, which has no weights."""
    return Segments(options.segments)


SEGMENTS = Component(
    "segments",
    "a mean for each of several nearly equal parts of a video, for a matcher that compares several vectors",
    SegmentsOptions,
    build,
    when="videos show one thing after another, and a caption tells of one; wants a matcher such as max-cosine",
    declares={"gives": "vectors"},
)


@hookimpl
def fdakit_aggregators() -> Iterable[Component[Any, TemporalAggregator]]:
    return (SEGMENTS,)
