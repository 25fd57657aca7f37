"""Late interaction, the mean over the tokens of a text of the best cosine among the vectors of a video.

Unlike the sum of `max-sim` it does not grow with the length of a text. Source: Reddy et al., *Video-ColBERT*, arXiv
2503.19009, section 3. Learned weights of tokens are an idea of Wang et al., *Disentangled Representation Learning for
Text-Video Retrieval*, arXiv 2203.07111.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Matcher, Options, hookimpl


class MeanMaxSimOptions(Options):
    """What is learned beside the towers: nothing, unless asked for."""

    projection: bool = Field(
        False, description="a linear map of tokens and one of vectors, trained; both begin as the identity"
    )
    weighted: bool = Field(False, description="a learned weight of each token, by its vector; equal ones at first")


def build(options: MeanMaxSimOptions, shapes: BuildContext) -> Matcher:
    """Return the matcher, which has weights only if options ask for them."""
    from ._similarity import MaxSim, TrainedMaxSim

    if not (options.projection or options.weighted):
        return MaxSim(mean=True)
    return TrainedMaxSim(shapes.embedding, mean=True, projection=options.projection, weighted=options.weighted)


MEAN_MAX_SIM = Component(
    "mean-max-sim",
    "mean over text tokens of the best cosine among a video's vectors",
    MeanMaxSimOptions,
    build,
    when="as max-sim, where texts of different lengths are compared, as from video to text",
    declares={"stores": "vectors", "needs_tokens": True},
)


@hookimpl
def fdakit_matchers() -> Iterable[Component[Any, Matcher]]:
    return (MEAN_MAX_SIM,)
