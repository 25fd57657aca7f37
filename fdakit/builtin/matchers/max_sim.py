"""Late interaction: the sum over the tokens of a text of the best cosine among the vectors of a video.

Source: Khattab and Zaharia, *ColBERT*, arXiv 2004.12832, section 3.3."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.plugin import BuildContext, Component, Matcher, Options, hookimpl


class MaxSimOptions(Options):
    """No options."""


def build(options: MaxSimOptions, shapes: BuildContext) -> Matcher:
    """Return the matcher, which has no weights."""
    from ._similarity import MaxSim

    return MaxSim(mean=False)


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
