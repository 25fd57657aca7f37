"""The torch side of `tiny`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from open_clip import CLIP, CLIPTextCfg, CLIPVisionCfg, SimpleTokenizer

from fdakit.model import ClipEncoder
from fdakit.plugin import BuildContext, Preprocess


class FoldedTokenizer:
    """CLIP's tokens folded into a smaller vocabulary: id modulo size, the start and end tokens last.

    A small embedding makes a tiny text tower quick to train; two tokens may share an id. 0 pads. `vocabulary = 49408`
    folds nothing.
    """

    def __init__(self, vocabulary: int, context_length: int) -> None:
        self._clip = SimpleTokenizer(context_length=context_length)
        self._marks = (self._clip.sot_token_id, self._clip.eot_token_id)
        self.vocabulary = vocabulary
        self.context_length = context_length

    def shared(self, texts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """Return groups of different tokens of these texts, as words, that share an id here."""
        found: dict[int, set[int]] = {}
        for token in {token for text in set(texts) for token in self._clip.encode(text)}:
            found.setdefault(1 + token % (self.vocabulary - 3), set()).add(token)
        groups = (sorted(self._clip.decode([token]).strip() for token in tokens) for tokens in found.values())
        return tuple(sorted(tuple(words) for words in groups if len(words) > 1))

    def __call__(self, texts: Sequence[str], context_length: int | None = None) -> torch.Tensor:
        """Return token ids `(q, context_length)` int64."""
        ids: torch.Tensor = self._clip(list(texts), context_length=context_length or self.context_length)
        folded = torch.where(ids > 0, 1 + ids % (self.vocabulary - 3), ids)
        for place, mark in enumerate(self._marks):
            folded = torch.where(ids == mark, self.vocabulary - 2 + place, folded)
        return folded


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
