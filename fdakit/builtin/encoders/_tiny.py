"""The torch side of `tiny`."""

from __future__ import annotations

from typing import Any

from open_clip import CLIP, CLIPTextCfg, CLIPVisionCfg

from fdakit.model import ClipEncoder
from fdakit.plugin import BuildContext, Preprocess

from ._folded_tokenizer import FoldedTokenizer


def build_tiny(options: Any, shapes: BuildContext) -> ClipEncoder:
    """Return a `CLIP` of the sizes in the options as an fdakit encoder."""
    clip = CLIP(
        embed_dim=options.embedding,
        vision_cfg=CLIPVisionCfg(
            image_size=options.image_size, patch_size=options.patch, width=options.width, layers=options.layers
        ),
        text_cfg=CLIPTextCfg(
            context_length=options.context_length,
            vocab_size=options.vocabulary,
            width=options.width,
            heads=options.width // 64,
            layers=options.text_layers,
        ),
    )
    return ClipEncoder(
        clip,
        tokenizer=FoldedTokenizer(options.vocabulary, options.context_length),
        preprocess=Preprocess(size=options.image_size, mean=options.mean, std=options.std),
        shapes=shapes,
        max_tokens=options.max_tokens,
        pretrained=False,
    )
