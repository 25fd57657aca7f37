"""The objective `frame-token-distillation`: the one vector of a video learns what its frames and words tell together.

The teacher is late interaction of the frames' vectors with those of a caption's tokens, or of captions made of the
frames; the student is the recipe's own similarity. At search there is only the student. Source: Shen et al.,
*DiscoVLA*, arXiv 2506.08887 (image-to-video alignment distillation); the interaction is that of Wang et al.,
*Disentangled Representation Learning for Text-Video Retrieval*, arXiv 2203.07111.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Objective, Options, hookimpl


class FrameTokenOptions(Options):
    """The teacher, and what it teaches."""

    captions: Path | None = Field(
        None,
        description="captions of the frames of each training video: JSON, video id to list of texts; left out: the "
        "tokens of the pair's own caption, unless another part gives `frame_captions`",
    )
    alignment: float = Field(
        0.3, ge=0, le=100, description="factor of the teacher's own contrastive loss, beside the distillation"
    )
    scale: float | None = Field(
        None, gt=0, le=1e4, description="factor on both similarities before the softmax; left out: the encoder's own"
    )
    stop_gradient: bool = Field(
        True, description="the distillation leaves the teacher as it is; the paper's code lets it change both"
    )


def build(options: FrameTokenOptions, shapes: BuildContext) -> Objective:
    """Return the objective, which has no weights. Raises `DatasetError` if its captions cannot be read."""
    from ._distillation import AlignedDistillation, Distillation
    from .frame_captions import FrameCaptions

    kind = AlignedDistillation if options.alignment else Distillation
    return kind(
        captions=FrameCaptions.read(options.captions) if options.captions is not None and shapes.pretrained else None,
        alignment=options.alignment,
        scale=options.scale,
        stop_gradient=options.stop_gradient,
    )


FRAME_TOKEN_DISTILLATION = Component(
    "frame-token-distillation",
    "KL from late interaction of frames and words to the similarities of the video's vector (DiscoVLA)",
    FrameTokenOptions,
    build,
    when="one vector a video must be kept, and training may look at all frames and words; beside a contrastive loss",
)


@hookimpl
def fdakit_objectives() -> Iterable[Component[Any, Objective]]:
    return (FRAME_TOKEN_DISTILLATION,)
