"""Symmetric cross-entropy over the batch with a learned, clamped logit scale.

`L = (CE(s S, i) + CE(s S^T, i)) / 2` with `S` the cosines and `s = exp(logit_scale)`, clamped after each step.
Source: CLIP (arXiv 2103.00020, figure 3); FDA-CLIP and CLIP4Clip train with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Objective, Options, hookimpl


class SymmetricContrastiveOptions(Options):
    """The logit scale and smoothing."""

    scale: float | None = Field(None, gt=0, description="factor to start from; left out: the encoder's own")
    max_scale: float = Field(100.0, gt=0, description="largest factor, enforced after each step")
    learn_scale: bool = Field(True, description="train the factor")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over the batch")


def build(options: SymmetricContrastiveOptions, shapes: BuildContext) -> Objective:
    """Return the objective, whose scale is 1 / 0.07 until `start_from` sets the encoder's."""
    from ._symmetric_contrastive import SymmetricContrastive

    return SymmetricContrastive(
        scale=options.scale,
        max_scale=options.max_scale,
        learn_scale=options.learn_scale,
        label_smoothing=options.label_smoothing,
    )


SYMMETRIC_CONTRASTIVE = Component(
    "symmetric-contrastive", "cross-entropy over the batch in both directions", SymmetricContrastiveOptions, build
)


@hookimpl
def fdakit_objectives() -> Iterable[Component[Any, Objective]]:
    return (SYMMETRIC_CONTRASTIVE,)
