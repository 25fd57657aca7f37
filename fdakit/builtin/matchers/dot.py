"""Inner product of one vector a text and one a video, lengths included."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.plugin import BuildContext, Component, Matcher, Options, hookimpl


class DotOptions(Options):
    """No options."""


def build(options: DotOptions, shapes: BuildContext) -> Matcher:
    """Return the matcher, which has no weights."""
    from ._similarity import Dot

    return Dot()


DOT = Component(
    "dot",
    "inner product of text vector and video vector",
    DotOptions,
    build,
    when="the length of a vector means something to your encoder",
    declares={"stores": "vector", "needs_tokens": False},
)


@hookimpl
def fdakit_matchers() -> Iterable[Component[Any, Matcher]]:
    return (DOT,)
