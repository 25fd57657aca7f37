"""A small CLIP from open_clip's own classes, trained from nothing: for first runs, tests and teaching."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.model import TinyOptions
from fdakit.plugin import BuildContext, Component, Encoder, hookimpl


def build(options: TinyOptions, shapes: BuildContext) -> Encoder:
    """Return the encoder; random weights follow the run's seed."""
    from fdakit.model import build_tiny

    return build_tiny(options, shapes)


TINY = Component(
    "tiny",
    "a small CLIP trained from nothing",
    TinyOptions,
    build,
    declares={"accepts": frozenset({"pixels", "stem", "attention_bias", "keep"}), "frame_count": None},
)


@hookimpl
def fdakit_encoders() -> Iterable[Component[Any, Encoder]]:
    return (TINY,)
