"""The matcher `xpool`: each text pools the frames of a video by its own attention over them.

Source: Gorti et al., *X-Pool: Cross-Modal Language-Video Attention for Text-Video Retrieval*, arXiv 2203.15086,
section 3.3. One video has as many vectors as there are texts, so none can be indexed: the frames' vectors are stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Matcher, Options, PluginError, hookimpl


class XPoolOptions(Options):
    """The attention of a text over frames."""

    heads: int = Field(1, ge=1, le=64, description="heads of the attention; a divisor of the encoder's embedding")
    dropout: float = Field(
        0.3, ge=0, lt=1, description="share of the last layer's values that training sets to 0; 0.4 for MSVD"
    )


def build(options: XPoolOptions, shapes: BuildContext) -> Matcher:
    """Return the matcher, whose linear layers are the identity: training begins in the encoder's own space.

    Raises `PluginError` if the heads do not divide its width.
    """
    if shapes.embedding % options.heads:
        raise PluginError(
            f"matcher 'xpool': heads = {options.heads} does not divide the encoder's embedding of "
            f"{shapes.embedding}; set a divisor of it"
        )
    from ._pooling import XPool

    return XPool(shapes.embedding, heads=options.heads, dropout=options.dropout)


XPOOL = Component(
    "xpool",
    "cosine of a text with a video's frames, pooled by the text's attention over them (X-Pool)",
    XPoolOptions,
    build,
    when="a text tells of a part of a video, and the vectors of all frames can be kept; wants aggregator 'none'",
    declares={"stores": "vectors", "needs_tokens": False},
)


@hookimpl
def fdakit_matchers() -> Iterable[Component[Any, Matcher]]:
    return (XPOOL,)
