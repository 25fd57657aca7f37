"""Late interaction, the mean over the tokens of a text of the best cosine among the vectors of a video.

Unlike the sum of `max-sim` it does not grow with the length of a text. Source: Reddy et al., *Video-ColBERT*, arXiv
2503.19009, section 3."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.plugin import BuildContext, Component, Matcher, Options, hookimpl


class MeanMaxSimOptions(Options):
    """No options."""


def build(options: MeanMaxSimOptions, shapes: BuildContext) -> Matcher:
    """Return the matcher, which has no weights."""
    from ._similarity import MaxSim

    return MaxSim(mean=True)


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
