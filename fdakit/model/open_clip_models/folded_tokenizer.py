"""The tokeniser of `tiny`; importing this does not import open_clip, as loader workers load it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from fdakit.model.tokens.byte_pairs import portable_tokenizer


class FoldedTokenizer:
    """CLIP's tokens folded into a smaller vocabulary: id modulo size, the start and end tokens last.

    A small embedding makes a tiny text tower quick to train; two tokens may share an id. 0 pads. `vocabulary = 49408`
    folds nothing.
    """

    def __init__(self, vocabulary: int, context_length: int) -> None:
        from open_clip import SimpleTokenizer

        self._clip: Any = SimpleTokenizer(context_length=context_length)
        self._marks = (self._clip.sot_token_id, self._clip.eot_token_id)
        self.vocabulary = vocabulary
        self.context_length = context_length

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_clip": portable_tokenizer(self._clip)}

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
