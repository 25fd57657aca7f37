"""An encoder's tokens are made elsewhere only if they are what its own `encode_texts` encodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fdakit.builtin.encoders.tiny import TINY
from fdakit.model import ClipEncoder
from fdakit.model.tokens.sent_tokeniser import sent_tokeniser
from fdakit.plugin import TextFeatures, TokenisesApart
from fdakit.testing.building import build_part

TEXTS = ["a red square", "two dogs " * 30, ""]


class Prefixed(ClipEncoder):
    """A stranger's, with its own way with texts and without its own tokens."""

    def encode_texts(self, texts: Sequence[str], role: Any = "query") -> TextFeatures:
        return super().encode_texts([f"a video of {text}" for text in texts], role)


class Cased(Prefixed):
    """Derived from it, with its own tokens."""

    def text_tokeniser(self, role: Any = "query") -> Any:
        return super().text_tokeniser(role)

    def encode_tokens(self, tokens: Any, role: Any = "query") -> TextFeatures:
        return super().encode_tokens(tokens, role)


def test_features_by_tokens_are_those_by_texts_to_the_bit() -> None:
    encoder = build_part(TINY)
    tokenise = sent_tokeniser(encoder)
    assert isinstance(encoder, TokenisesApart)
    assert tokenise is not None
    tokens = {name: torch.from_numpy(values) for name, values in tokenise(TEXTS).items()}
    found, wanted = encoder.encode_tokens(tokens), encoder.encode_texts(TEXTS)
    for name in ("vectors", "tokens", "mask", "ids", "cut"):
        assert torch.equal(getattr(found, name), getattr(wanted, name)), name


def test_another_way_with_texts_keeps_them() -> None:
    encoder = build_part(TINY)
    encoder.__class__ = Prefixed
    assert sent_tokeniser(encoder) is None
    encoder.__class__ = Cased
    assert sent_tokeniser(encoder) is not None
    encoder.encode_texts = encoder.encode_texts
    assert sent_tokeniser(encoder) is None
    assert sent_tokeniser(nn.Linear(1, 1)) is None
