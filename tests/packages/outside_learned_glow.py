"""A mask that learns: how bright a pixel must be, beside the mean of its frame, to be marked, and how sharply."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, DeviceMaskGenerator, Options, hookimpl


class GlowOptions(Options):
    """Where learning begins."""

    threshold: float = Field(0.1, ge=0, lt=1, description="brightness above the mean that is marked half")


def build(options: GlowOptions, shapes: BuildContext) -> DeviceMaskGenerator:
    """Return the mask, whose two weights train with the towers."""
    from _outside_learned_glow import Glow

    return Glow(options.threshold)


GLOW = Component("learned-glow", "a learned threshold of brightness", GlowOptions, build)


@hookimpl
def fdakit_masks() -> Iterable[Component[Any, DeviceMaskGenerator]]:
    return (GLOW,)
