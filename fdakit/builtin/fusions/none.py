"""No fusion: the mask is ignored and the encoder is plain CLIP (control C0 of the method)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.plugin import AlphaFusion, BuildContext, Component, Fused, Options, Stem, hookimpl


class NoFusionOptions(Options):
    """No options."""


def ignore_alpha(rgb: Any, alpha: Any, stem: Stem) -> Fused:
    """Return the stem's own maps of `rgb (n, 3, h, w)`."""
    return Fused(stem(rgb))


def build(options: NoFusionOptions, shapes: BuildContext) -> AlphaFusion:
    """Return a plain function, which is a valid fusion."""
    return ignore_alpha


NONE = Component(
    "none",
    "ignore the mask: the plain encoder",
    NoFusionOptions,
    build,
    when="you want the control without masks, or have no mask worth using",
)


@hookimpl
def fdakit_fusions() -> Iterable[Component[Any, AlphaFusion]]:
    return (NONE,)
