"""Alpha-CLIP's convolution behind a learned scalar gate: `conv1(rgb) + gate * conv1_alpha(alpha)`.

The gate starts at 0, so training determines the influence of alpha, starting exactly from the plain encoder; with the
weights of a published Alpha-CLIP it starts at 1, which is Alpha-CLIP. Source: the residual gate of Bachlechner et
al., *ReZero*, arXiv 2003.04887, on the alpha path of Sun et al., *Alpha-CLIP*, arXiv 2312.03818.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import AlphaFusion, BuildContext, Component, Options, hookimpl


class GatedOptions(Options):
    """The initial gate, and the normalisation of alpha."""

    initial: float | None = Field(None, description="gate at the start; left out: 0, or 1 with Alpha-CLIP's weights")
    mean: float = Field(0.5, ge=0, le=1, description="alpha that counts as zero")
    std: float = Field(0.26, gt=0, description="divisor after the mean is subtracted")


def build(options: GatedOptions, shapes: BuildContext) -> AlphaFusion:
    """Return the fusion with small random convolutions behind a gate, or with the encoder's own alpha weights."""
    from ._gated import Gated

    return Gated(shapes.stem, initial=options.initial, mean=options.mean, std=options.std)


GATED = Component(
    "gated",
    "alpha-conv behind a learned gate that starts closed",
    GatedOptions,
    build,
    when="you start from plain CLIP weights and want to read off, as one number, how much alpha came to matter",
    declares={"uses": frozenset({"stem"})},
)


@hookimpl
def fdakit_fusions() -> Iterable[Component[Any, AlphaFusion]]:
    return (GATED,)
