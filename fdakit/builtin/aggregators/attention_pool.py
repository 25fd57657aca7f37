"""Attention pooling: a learned query decides how much each frame counts, for each head apart.

`v = norm(concat_h sum_t a[h, t] * u_t[h])` with `a[h] = softmax_t(q_h . (W n_t)_h / sqrt(d / heads))`: `u_t` is the
unit vector of a frame, `u_t[h]` the slice of it that belongs to a head, and `n_t` the same vector standardised, so
that weights of ordinary size reach the softmax. The queries begin at 0, so every frame counts the same and step 0
is exactly mean pooling. Values stay the frames' own features, in the space that the texts share.

Source: Lee et al., *Set Transformer*, arXiv 1810.00825 (pooling by multi-head attention), without its projections
of the values.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Options, PluginError, TemporalAggregator, hookimpl


class AttentionPoolOptions(Options):
    """The number of heads."""

    heads: int = Field(
        8, ge=1, le=64, description="queries, each over its own slice of the vector; must divide the vector's width"
    )


def build(options: AttentionPoolOptions, shapes: BuildContext) -> TemporalAggregator:
    """Return the aggregator. Raises `PluginError` if the heads do not divide the width of the vectors."""
    if shapes.embedding % options.heads:
        fits = [str(heads) for heads in range(1, 65) if shapes.embedding % heads == 0]
        raise PluginError(
            f"aggregator.heads: found {options.heads}; vectors of this encoder have {shapes.embedding} values, "
            f"choose one of {', '.join(fits)}"
        )
    from ._attention_pool import AttentionPool

    return AttentionPool(shapes.embedding, options.heads)


ATTENTION_POOL = Component(
    "attention-pool",
    "learned queries decide how much each frame counts; begins as the mean",
    AttentionPoolOptions,
    build,
    when="there is data enough to learn which frames matter; without training it is the mean",
    declares={"gives": "vector"},
)


@hookimpl
def fdakit_aggregators() -> Iterable[Component[Any, TemporalAggregator]]:
    return (ATTENTION_POOL,)
