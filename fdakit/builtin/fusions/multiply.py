"""Cut out what the mask leaves out: `rgb * alpha`, after normalisation, so that 0 is the mean colour.

The simplest way to direct an image tower; no weights. Source: the "masked image" baseline of Sun et al.,
*Alpha-CLIP*, arXiv 2312.03818.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import AlphaFusion, BuildContext, Component, Fused, FusionOutput, Options, Stem, hookimpl


class MultiplyOptions(Options):
    """How much of the unmarked image remains, and whether alpha is binarised."""

    hard: bool = Field(True, description="alpha from 0.5 on counts as 1, below as 0; false: as it is")
    floor: float = Field(0.0, ge=0, lt=1, description="factor where alpha is 0; 0 leaves the mean colour")


class Multiply:
    """`rgb * (floor + (1 - floor) * alpha)` instead of the frames."""

    uses: frozenset[FusionOutput] = frozenset({"pixels"})

    def __init__(self, floor: float, *, hard: bool) -> None:
        self.floor = floor
        self.hard = hard

    def __call__(self, rgb: Any, alpha: Any, stem: Stem) -> Fused:
        """Fuse `rgb (n, 3, h, w)` and `alpha (n, 1, h, w)` in [0, 1]."""
        if self.hard:
            alpha = (alpha >= 0.5).to(alpha.dtype)
        return Fused(pixels=rgb * (self.floor + (1 - self.floor) * alpha))


def build(options: MultiplyOptions, shapes: BuildContext) -> AlphaFusion:
    """Return the fusion, which has no weights."""
    return Multiply(options.floor, hard=options.hard)


MULTIPLY = Component(
    "multiply",
    "cut out what the mask leaves out; no weights",
    MultiplyOptions,
    build,
    when="you want the plainest baseline: how far does the marked part alone carry, with no training",
    declares={"uses": Multiply.uses},
)


@hookimpl
def fdakit_fusions() -> Iterable[Component[Any, AlphaFusion]]:
    return (MULTIPLY,)
