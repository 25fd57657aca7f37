"""The torch side of `asking`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import open_clip

from fdakit.model import ClipEncoder
from fdakit.plugin import BuildContext, Preprocess, TextFeatures, TextRole


class Asking(ClipEncoder):
    """A CLIP of open_clip with an instruction before each query."""

    asymmetric = True

    def __init__(self, clip: Any, instruction: str, **parts: Any) -> None:
        self.instructions: Mapping[TextRole, str] = {"query": instruction, "document": ""}
        super().__init__(clip, **parts)

    def encode_texts(self, texts: Sequence[str], role: TextRole = "query") -> TextFeatures:
        """Return one vector a text `(q, d)`."""
        return super().encode_texts([self.instructions[role] + text for text in texts], role)


def asking(instruction: str, shapes: BuildContext) -> Asking:
    """Return the encoder, trained from nothing."""
    clip: Any = open_clip.CLIP(
        embed_dim=32,
        vision_cfg=open_clip.CLIPVisionCfg(image_size=32, patch_size=8, width=64, layers=1),
        text_cfg=open_clip.CLIPTextCfg(context_length=16, width=64, heads=1, layers=1),
    )
    return Asking(
        clip,
        instruction,
        tokenizer=open_clip.SimpleTokenizer(context_length=16),
        preprocess=Preprocess(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        shapes=shapes,
        pretrained=False,
    )
