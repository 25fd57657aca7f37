"""Any model that open_clip knows by name, in a local folder of its layout, or on the Hugging Face hub.

Source: Ilharco et al., OpenCLIP. `local-dir:FOLDER` and `hf-hub:ORG/REPO` are open_clip's own two prefixes: the
folder holds `open_clip_config.json` and weights. What was downloaded once is taken from the cache without network
requests, and `HF_HUB_OFFLINE=1` forbids downloads. `visual_checkpoint` takes a published Alpha-CLIP tower (arXiv
2312.03818): the whole visual tower is replaced and its alpha convolution passed to the fusion.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fdakit.model import OpenClipOptions
from fdakit.plugin import BuildContext, Component, Encoder, hookimpl


def build(options: OpenClipOptions, shapes: BuildContext) -> Encoder:
    """Return the encoder; random weights follow the run's seed.

    Raises `CheckpointError` if weights cannot be loaded.
    """
    from fdakit.model import build_open_clip

    return build_open_clip(options, shapes)


OPEN_CLIP = Component("open-clip", "any open_clip model, by name, folder or hub", OpenClipOptions, build)


@hookimpl
def fdakit_encoders() -> Iterable[Component[Any, Encoder]]:
    return (OPEN_CLIP,)
