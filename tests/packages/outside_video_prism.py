"""transformers' VideoPrism as an encoder of clips: one vector a clip, which is not repeated; masks act by pixels.

Source: Zhao et al., *VideoPrism*, arXiv 2402.13217; here tiny, with random weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Encoder, Options, hookimpl


class VideoPrismOptions(Options):
    """Sizes."""

    width: int = Field(32, multiple_of=16, description="width of both towers")
    frames: int = Field(4, ge=1, description="frames of a clip, exactly")


def build(options: VideoPrismOptions, shapes: BuildContext) -> Encoder:
    """Return the encoder."""
    from _outside_video_prism import VideoPrism

    return VideoPrism(shapes, width=options.width, frames=options.frames)


VIDEO_PRISM = Component("video-prism", "VideoPrism of transformers, tiny", VideoPrismOptions, build)


@hookimpl
def fdakit_encoders() -> Iterable[Component[Any, Encoder]]:
    return (VIDEO_PRISM,)
