"""Blur what the mask leaves out: `alpha * rgb + (1 - alpha) * blur(rgb)`; no weights.

Keeps the scene's layout and colours where `multiply` takes them away. Source: the blur reverse mask of Yang et al.,
*Fine-Grained Visual Prompting*, arXiv 2306.04356.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import AlphaFusion, BuildContext, Component, Options, hookimpl


class BlurBackgroundOptions(Options):
    """The strength of the blur."""

    sigma: float = Field(8.0, gt=0, le=112, description="deviation of the Gaussian in pixels at 224 px")


def build(options: BlurBackgroundOptions, shapes: BuildContext) -> AlphaFusion:
    """Return the fusion; its sigma scales with the encoder's image size."""
    from ._blur_background import BlurBackground

    return BlurBackground(options.sigma * shapes.image_size / 224)


BLUR_BACKGROUND = Component(
    "blur-background",
    "blur what the mask leaves out; no weights",
    BlurBackgroundOptions,
    build,
    when="you search with plain weights, untrained, and the background should stay recognisable",
    declares={"uses": frozenset({"pixels"})},
)


@hookimpl
def fdakit_fusions() -> Iterable[Component[Any, AlphaFusion]]:
    return (BLUR_BACKGROUND,)
