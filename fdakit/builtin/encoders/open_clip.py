"""Any model that open_clip knows by name, in a local folder of its layout, or on the Hugging Face hub.

Source: Ilharco et al., OpenCLIP. `local-dir:FOLDER` and `hf-hub:ORG/REPO` are open_clip's own two prefixes: the
folder holds `open_clip_config.json` and weights. What was downloaded once is taken from the cache without network
requests, and `HF_HUB_OFFLINE=1` forbids downloads. `visual_checkpoint` takes a published Alpha-CLIP tower (arXiv
2312.03818): the whole visual tower is replaced and its alpha convolution passed to the fusion.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Encoder, MayBePath, Options, hookimpl


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


def build(options: OpenClipOptions, shapes: BuildContext) -> Encoder:
    """Return the encoder; random weights follow the run's seed.

    Raises `CheckpointError` if weights cannot be loaded.
    """
    from ._open_clip_build import build_open_clip

    return build_open_clip(options, shapes)


OPEN_CLIP = Component("open-clip", "any open_clip model, by name, folder or hub", OpenClipOptions, build)


@hookimpl
def fdakit_encoders() -> Iterable[Component[Any, Encoder]]:
    return (OPEN_CLIP,)
