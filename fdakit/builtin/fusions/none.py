"""No fusion: the mask is ignored and the encoder is plain CLIP (control C0 of the method)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.plugin import AlphaFusion, BuildContext, Component, Fused, FusionOutput, Options, Stem, hookimpl


class NoFusionOptions(Options):
    """No options."""


class NoFusion:
    """Changes nothing, so that it fits every encoder."""

    uses: frozenset[FusionOutput] = frozenset()

    def __call__(self, rgb: Any, alpha: Any, stem: Stem) -> Fused:
        """Return no change of `rgb (n, 3, h, w)`."""
        return Fused()


def build(options: NoFusionOptions, shapes: BuildContext) -> AlphaFusion:
    """Return the fusion, which has no weights."""
    return NoFusion()


NONE = Component(
    "none",
    "ignore the mask: the plain encoder",
    NoFusionOptions,
    build,
    when="you want the control without masks, or have no mask worth using",
    declares={"uses": NoFusion.uses},
)


@hookimpl
def fdakit_fusions() -> Iterable[Component[Any, AlphaFusion]]:
    return (NONE,)
