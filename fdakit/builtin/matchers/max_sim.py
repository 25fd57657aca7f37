"""Late interaction: the sum over the tokens of a text of the best cosine among the vectors of a video.

Source: Khattab and Zaharia, *ColBERT*, arXiv 2004.12832, section 3.3, whose linear map of tokens is `projection`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Matcher, Options, hookimpl


class MaxSimOptions(Options):
    """What is learned beside the towers: nothing, unless asked for."""

    projection: bool = Field(
        False, description="a linear map of tokens and one of vectors, trained; both begin as the identity"
    )
    weighted: bool = Field(False, description="a learned weight of each token, by its vector; equal ones at first")


def build(options: MaxSimOptions, shapes: BuildContext) -> Matcher:
    """Return the matcher, which has weights only if options ask for them."""
    from ._similarity import MaxSim, TrainedMaxSim

    if not (options.projection or options.weighted):
        return MaxSim(mean=False)
    return TrainedMaxSim(shapes.embedding, mean=False, projection=options.projection, weighted=options.weighted)


MAX_SIM = Component(
    "max-sim",
    "sum over text tokens of the best cosine among a video's vectors",
    MaxSimOptions,
    build,
    when="details of a caption matter and many vectors a video can be kept; wants aggregator 'none'",
    declares={"stores": "vectors", "needs_tokens": True},
)


@hookimpl
def fdakit_matchers() -> Iterable[Component[Any, Matcher]]:
    return (MAX_SIM,)
