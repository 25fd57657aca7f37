"""An encoder whose texts have roles: a query is asked with an instruction before it, a document stands alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.plugin import BuildContext, Component, Encoder, Options, hookimpl


class AskingOptions(Options):
    """What a query begins with."""

    instruction: str = "find the video: "


def build(options: AskingOptions, shapes: BuildContext) -> Encoder:
    """Return the encoder."""
    from _outside_roles import asking

    return asking(options.instruction, shapes)


ASKING = Component("asking", "a small CLIP that instructs queries", AskingOptions, build)


@hookimpl
def fdakit_encoders() -> Iterable[Component[Any, Encoder]]:
    return (ASKING,)
