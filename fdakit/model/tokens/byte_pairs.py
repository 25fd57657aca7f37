"""CLIP's tokeniser without the library that it comes from, whose import takes a loader worker seconds.

Source: `open_clip.tokenizer.SimpleTokenizer`, whose tables these are and whose token ids it gives.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import ftfy
import torch

from fdakit.model.towers.tower_inputs import is_of

_TRIED = ("A dog's 2nd  <end_of_text> caf\u00e9 &amp; na\u00efve \U0001f600 antidisestablishmentarianism", "")


class BytePairs:
    """A `SimpleTokenizer` by its tables: `ids` of the pieces, `ranks` of the pairs, `letters` of the bytes."""

    def __init__(self, source: Any) -> None:
        self.context_length = int(source.context_length)
        self.sot_token_id, self.eot_token_id = int(source.sot_token_id), int(source.eot_token_id)
        self._ids: Mapping[str, int] = source.encoder
        self._ranks: Mapping[tuple[str, str], int] = source.bpe_ranks
        self._letters: Mapping[int, str] = source.byte_encoder
        self._words: Any = source.pat
        self._known: dict[str, tuple[int, ...]] = {source.decoder[one]: (one,) for one in source.all_special_ids}

    def __call__(self, texts: Sequence[str], context_length: int | None = None) -> torch.Tensor:
        """Return token ids `(q, context_length)` int64 between start and end, truncated, padded with 0."""
        length = context_length or self.context_length
        found = torch.zeros(len(texts), length, dtype=torch.int64)
        for row, text in zip(found, texts, strict=True):
            ids = [self.sot_token_id, *self.encode(text), self.eot_token_id]
            if len(ids) > length:
                ids[length - 1 :] = [self.eot_token_id]
            row[: len(ids)] = torch.tensor(ids)
        return found

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, all of them, without start and end."""
        clean = html.unescape(html.unescape(ftfy.fix_text(text)))
        words = self._words.findall(" ".join(clean.split()).lower())
        return [token for word in words for token in self._pieces(word)]

    def _pieces(self, word: str) -> tuple[int, ...]:
        spelt = "".join(self._letters[byte] for byte in word.encode())
        if spelt not in self._known:
            self._known[spelt] = tuple(self._ids[piece] for piece in self._merged(spelt))
        return self._known[spelt]

    def _merged(self, spelt: str) -> list[str]:
        """Return the pieces that are left when pairs are joined, the most frequent first."""
        pieces = [*spelt[:-1], f"{spelt[-1]}</w>"]
        while len(pieces) > 1:
            pairs = set(pairwise(pieces))
            first, second = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if (first, second) not in self._ranks:
                break
            joined: list[str] = []
            for piece in pieces:
                if joined and piece == second and joined[-1] == first:
                    joined[-1] = first + second
                else:
                    joined.append(piece)
            pieces = joined
        return pieces


def portable_tokenizer(tokenizer: Any) -> Any:
    """Return a tokeniser that gives the same ids and is quick to load elsewhere, if one is known; else itself.

    Which one a tokeniser is, is decided by its exact class and confirmed by two texts.
    """
    if not is_of(tokenizer, "open_clip", "SimpleTokenizer"):
        return tokenizer
    if tokenizer.reduction_fn is not None or getattr(tokenizer.clean_fn, "__name__", "") != "_clean_lower":
        return tokenizer
    light = BytePairs(tokenizer)
    return light if torch.equal(light(_TRIED), tokenizer(list(_TRIED))) else tokenizer
