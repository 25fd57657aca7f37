"""A fusion of pixels: what lies far from the mask is darkened; any tower can look at it, also one without a stem."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import Field

from fdakit.plugin import AlphaFusion, BuildContext, Component, Fused, FusionOutput, Options, Stem, hookimpl

if TYPE_CHECKING:
    import torch


class HaloOptions(Options):
    """The width of the halo."""

    radius: int = Field(4, ge=1, description="pixels around the mask that stay bright")


class Halo:
    """Darkens by a widened mask."""

    uses: frozenset[FusionOutput] = frozenset({"pixels"})

    def __init__(self, radius: int) -> None:
        self.radius = radius

    def __call__(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Stem) -> Fused:
        """Return pixels of `rgb (n, 3, h, w)` normalised and `alpha (n, 1, h, w)`."""
        from torch.nn.functional import max_pool2d

        near = max_pool2d(alpha, 2 * self.radius + 1, stride=1, padding=self.radius)
        return Fused(pixels=rgb * (0.1 + 0.9 * near))


def build(options: HaloOptions, shapes: BuildContext) -> AlphaFusion:
    """Return the fusion."""
    return Halo(options.radius)


HALO = Component("halo", "darken what is far from the mask", HaloOptions, build, declares={"uses": Halo.uses})


@hookimpl
def fdakit_fusions() -> Iterable[Component[Any, AlphaFusion]]:
    return (HALO,)
