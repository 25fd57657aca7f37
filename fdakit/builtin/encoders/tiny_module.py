"""The torch side of `tiny`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from open_clip import CLIP, CLIPTextCfg, CLIPVisionCfg, SimpleTokenizer

from fdakit import ClipEncoder, Preprocess, Shapes

_MEAN = (0.48145466, 0.4578275, 0.40821073)  # CLIP's own
_STD = (0.26862954, 0.26130258, 0.27577711)


class FoldedTokenizer:
    """CLIP's tokens folded into a smaller vocabulary: id modulo size, the start and end tokens last.

    A small embedding is what makes a tiny text tower quick to train; two tokens may share an id. 0 pads.
    """

    def __init__(self, vocabulary: int, context_length: int) -> None:
        self._clip = SimpleTokenizer(context_length=context_length)
        self._marks = (self._clip.sot_token_id, self._clip.eot_token_id)
        self.vocabulary = vocabulary
        self.context_length = context_length

    def __call__(self, texts: Sequence[str], context_length: int | None = None) -> torch.Tensor:
        """Token ids `(q, context_length)` int64."""
        ids: torch.Tensor = self._clip(list(texts), context_length=context_length or self.context_length)
        folded = torch.where(ids > 0, 1 + ids % (self.vocabulary - 3), ids)
        for place, mark in enumerate(self._marks):
            folded = torch.where(ids == mark, self.vocabulary - 2 + place, folded)
        return folded


def build_tiny(options: Any, shapes: Shapes) -> ClipEncoder:
    """A `CLIP` of the sizes in the options behind fdakit's encoder."""
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
        preprocess=Preprocess(size=options.image_size, mean=_MEAN, std=_STD),
        shapes=shapes,
        max_tokens=options.max_tokens,
        pretrained=False,
    )
