"""Captions to the token ids of a CLIP model, apart from the model: loader workers are given it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .byte_pairs import portable_tokenizer


class ClipTokeniser:
    """Calls open_clip's `tokenizer`; texts of more than `max_tokens` tokens are truncated. Padded to the context."""

    def __init__(self, tokenizer: Any, *, max_tokens: int, context_length: int) -> None:
        self._tokenizer = tokenizer
        self._max_tokens, self._context_length = max_tokens, context_length
        inner = getattr(tokenizer, "tokenizer", None)
        self.pad = int(getattr(inner, "pad_token_id", None) or 0)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tokenizer": portable_tokenizer(self._tokenizer)}

    def __call__(self, texts: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return `ids (q, context)` int64, and `cut (q,)` bool, true where a text was truncated."""
        spelt = [_respelt(text) if hasattr(self._tokenizer, "sot_token_id") else text for text in texts]
        longer = self._tokenizer(spelt, context_length=self._max_tokens + 1)
        ids = torch.full((len(texts), self._context_length), self.pad, dtype=torch.int64)
        ids[:, : self._max_tokens] = self._tokenizer(spelt, context_length=self._max_tokens)
        cut: NDArray[np.bool_] = (longer[:, -1] != self.pad).numpy()
        return {"ids": ids.numpy(), "cut": cut}


def _respelt(text: str) -> str:
    """Replace OpenAI's spelling of CLIP's two special tokens, which count inside a text too, by open_clip's."""
    return text.replace("<|startoftext|>", "<start_of_text>").replace("<|endoftext|>", "<end_of_text>")
