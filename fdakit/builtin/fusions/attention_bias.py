"""Bias attention towards marked patches: `softmax(q k / sqrt(d) + strength * coverage)`, the image unchanged.

`coverage` is the mean alpha over a patch; the class token has none. Added for every query, in all blocks or the last
few. Source: Zhuang et al., *FALIP*, arXiv 2407.05578, which adds a foveal mask for the class token's query.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import AlphaFusion, BuildContext, Component, Options, PluginError, hookimpl


class AttentionBiasOptions(Options):
    """The strength, and the blocks."""

    strength: float = Field(1.0, description="added to the logit of a patch that is fully marked")
    learn: bool = Field(True, description="train the strength, as one scalar")
    last_blocks: int | None = Field(
        None, ge=1, le=1_000, description="only in this many last blocks; left out: in all"
    )


def build(options: AttentionBiasOptions, shapes: BuildContext) -> AlphaFusion:
    """Return the fusion. Raises `PluginError` if the encoder has no blocks, or fewer than `last_blocks`."""
    if not shapes.layers:
        raise PluginError(
            "fusion: 'attention-bias' adds to the attention of transformer blocks, and this encoder has none; choose "
            "an encoder of ViT or EVA kind, or 'alpha-conv'"
        )
    last = options.last_blocks or shapes.layers
    if last > shapes.layers:
        raise PluginError(
            f"fusion.last_blocks: found {last}; this encoder has {shapes.layers} blocks, choose no more"
        )
    from ._attention_bias import AttentionBias

    return AttentionBias(options.strength, learn=options.learn, grid=shapes.grid, first=shapes.layers - last)


ATTENTION_BIAS = Component(
    "attention-bias",
    "mask added to the attention logits of marked patches",
    AttentionBiasOptions,
    build,
    when="you have no alpha weights and no time to train, or want RGB unchanged; needs a ViT or EVA",
    declares={"uses": frozenset({"attention_bias"})},
)


@hookimpl
def fdakit_fusions() -> Iterable[Component[Any, AlphaFusion]]:
    return (ATTENTION_BIAS,)
