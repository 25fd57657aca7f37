"""Alpha-CLIP's fusion: a parallel convolution on alpha, added to the stem's convolution on RGB.

`conv1(rgb) + conv1_alpha((alpha - 0.5) / 0.26)`, starting from zero so that the plain encoder's output is preserved
exactly. Source: Sun et al., *Alpha-CLIP*, arXiv 2312.03818, section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import AlphaFusion, BuildContext, Component, Options, hookimpl


class AlphaConvOptions(Options):
    """The normalisation of alpha: Alpha-CLIP's weights expect -1.923 and +1.923 for 0 and 1."""

    mean: float = Field(0.5, ge=0, le=1, description="alpha that counts as zero")
    std: float = Field(0.26, gt=0, description="divisor after the mean is subtracted")


def build(options: AlphaConvOptions, shapes: BuildContext) -> AlphaFusion:
    """Return one zero-initialised convolution beside each of the stem's."""
    from ._alpha_conv import AlphaConv

    return AlphaConv(shapes.stem, mean=options.mean, std=options.std)


ALPHA_CONV = Component(
    "alpha-conv",
    "Alpha-CLIP's parallel convolution on alpha",
    AlphaConvOptions,
    build,
    when="you train, or have Alpha-CLIP's weights: FDA-CLIP's own choice; costs next to nothing, runs on any encoder",
    declares={"uses": frozenset({"stem"})},
)


@hookimpl
def fdakit_fusions() -> Iterable[Component[Any, AlphaFusion]]:
    return (ALPHA_CONV,)
