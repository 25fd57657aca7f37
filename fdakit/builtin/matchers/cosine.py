"""Cosine of one vector a text and one a video, by which FDA-CLIP, CLIP4Clip and nearly all dual encoders rank."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.plugin import BuildContext, Component, Matcher, Options, hookimpl


class CosineOptions(Options):
    """No options."""


def build(options: CosineOptions, shapes: BuildContext) -> Matcher:
    """Return the matcher, which has no weights."""
    from ._similarity import Cosine

    return Cosine()


COSINE = Component(
    "cosine",
    "cosine of text vector and video vector",
    CosineOptions,
    build,
    when="nearly always: one vector a video is quick to search and small to keep",
    declares={"stores": "vector", "needs_tokens": False},
)


@hookimpl
def fdakit_matchers() -> Iterable[Component[Any, Matcher]]:
    return (COSINE,)
