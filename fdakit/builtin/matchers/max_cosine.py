"""The best cosine of a text among the vectors of a video: a video is as good an answer as its best part.

`s = max_m cos(t, v_m)` over the valid vectors; the gradient reaches the best one alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.plugin import BuildContext, Component, Matcher, Options, hookimpl


class MaxCosineOptions(Options):
    """No options."""


def build(options: MaxCosineOptions, shapes: BuildContext) -> Matcher:
    """Return the matcher, which has no weights."""
    from ._similarity import MaxCosine

    return MaxCosine()


MAX_COSINE = Component(
    "max-cosine",
    "best cosine of the text vector among a video's vectors",
    MaxCosineOptions,
    build,
    when="a text tells of a part of a video; wants aggregator 'segments', or 'none' for every frame",
    declares={"stores": "vectors", "needs_tokens": False},
)


@hookimpl
def fdakit_matchers() -> Iterable[Component[Any, Matcher]]:
    return (MAX_COSINE,)
