"""Which encoders have their texts tokenised by loader workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from fdakit.plugin.abilities import TokenisesApart

Tokenise = Callable[[Sequence[str]], Mapping[str, NDArray[Any]]]


def sent_tokeniser(encoder: object) -> Tokenise | None:
    """Return what tokenises queries for an encoder; None if it offers nothing, or has its own way with texts.

    It has where a subclass, or the object itself, has another `encode_texts` than the class whose tokens these are.
    """
    if not isinstance(encoder, TokenisesApart) or "encode_texts" in vars(encoder):
        return None
    order = type(encoder).__mro__
    texts, *tokens = (
        next((place for place, one in enumerate(order) if name in vars(one)), len(order))
        for name in ("encode_texts", "encode_tokens", "text_tokeniser")
    )
    return None if texts < max(tokens) else encoder.text_tokeniser()
