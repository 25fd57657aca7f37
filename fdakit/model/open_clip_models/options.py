"""The options of the encoders made of open_clip's models. Importing them imports neither torch nor open_clip."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from fdakit.plugin.component import AtMost, MayBePath, Options

Triple = tuple[float, float, float]
CLIP_MEAN: Triple = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Triple = (0.26862954, 0.26130258, 0.27577711)


def _above_zero(std: Triple) -> Triple:
    if min(std) <= 0:
        raise ValueError("std must be above 0")
    return std


class OpenClipOptions(Options):
    """The model and its weights."""

    model: Annotated[str, MayBePath("local-dir:")] = Field(
        "ViT-B-32", description="open_clip's name, local-dir:FOLDER or hf-hub:ORG/REPO"
    )
    pretrained: Annotated[str, MayBePath()] = Field(
        "none", description="tag (fetched once) or weights file; none: random weights, or the folder's or hub's own"
    )
    visual_checkpoint: Path | None = Field(None, description="Alpha-CLIP visual tower (.pth or .safetensors)")
    quick_gelu: bool | None = Field(None, description="QuickGELU activation; left out: as the tag was trained")
    max_tokens: int | None = Field(None, ge=3, le=1_000_000, description="cut captions earlier than the context does")


class TinyOptions(Options):
    """Sizes of the two towers."""

    image_size: int = Field(64, ge=16, le=4_096, description="pixels a side")
    patch: int = Field(16, ge=2, le=4_096, description="pixels a patch side")
    width: int = Field(128, ge=64, le=16_384, multiple_of=64, description="width of both towers; 64 a head")
    layers: int = Field(4, ge=1, le=1_000, description="layers of the visual tower")
    text_layers: int = Field(2, ge=1, le=1_000, description="layers of the text tower")
    embedding: int = Field(128, ge=8, le=65_536, description="width of the vectors that are compared")
    vocabulary: int = Field(4096, ge=64, le=49408, description="token ids; CLIP's 49,408 are folded into them")
    context_length: int = Field(16, ge=4, le=65_536, description="tokens a text, start and end included")
    mean: Triple = Field(
        CLIP_MEAN, description="RGB mean that its view subtracts; dark clips need their own, see `fdakit data masks`"
    )
    std: Annotated[Triple, AfterValidator(_above_zero)] = Field(
        CLIP_STD, description="RGB standard deviation by which its view divides"
    )
    max_tokens: Annotated[int | None, AtMost("context_length")] = Field(
        None, ge=3, le=65_536, description="cut captions earlier; left out: context_length"
    )
