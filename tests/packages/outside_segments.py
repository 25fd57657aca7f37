"""An encoder of clips: one vector for each half, without a stem; it takes exactly four frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.plugin import BuildContext, Component, Encoder, Options, hookimpl


class SegmentsOptions(Options):
    embedding: int = 32


def build(options: SegmentsOptions, shapes: BuildContext) -> Encoder:
    """Return the encoder."""
    from _outside_segments import Segments

    return Segments(shapes, options.embedding)


ACCEPTED = frozenset({"pixels"})
SEGMENTS = Component("segments", "two vectors a clip", SegmentsOptions, build, declares={"accepts": ACCEPTED})


@hookimpl
def fdakit_encoders() -> Iterable[Component[Any, Encoder]]:
    return (SEGMENTS,)
