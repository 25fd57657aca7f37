"""Parity with the reference tokenisers: CLIP's 77 tokens, and captions cut at 32 and 12 as CLIP4Clip does."""

from __future__ import annotations

import json

import pytest
import torch
from helpers.parity import fixtures

from fdakit.builtin.encoders.open_clip import OPEN_CLIP
from fdakit.builtin.encoders.tiny import TINY
from fdakit.testing.building import build_part

FILE = fixtures("preprocess") / "tokens" / "tokens.json"


def test_parity_tokens_fixtures_are_there() -> None:
    assert FILE.is_file()
    assert json.loads(FILE.read_text())["sentences"]


@pytest.mark.parametrize(("layout", "length"), [("clip77", None), ("clip4clip32", 32), ("clip4clip12", 12)])
def test_parity_tokens_equal_the_references_and_say_which_were_cut(layout: str, length: int | None) -> None:
    from open_clip import SimpleTokenizer

    encoder = build_part(TINY, context_length=77, **({"max_tokens": length} if length else {}))
    encoder.tokenizer = SimpleTokenizer()
    sentences = json.loads(FILE.read_text())["sentences"]
    tokens = encoder.text_tokeniser()([sentence["text"] for sentence in sentences])
    ids, cut = torch.from_numpy(tokens["ids"]), tokens["cut"]
    for row, was_cut, sentence in zip(ids, cut, sentences, strict=True):
        wanted = sentence[layout]
        expected = torch.zeros(77, dtype=torch.int64)
        expected[: len(wanted)] = torch.tensor(wanted)
        assert torch.equal(row, expected), sentence["text"]
        if length:
            assert bool(was_cut) == (len(sentence["clip77"]) > length), sentence["text"]


@pytest.mark.integration
def test_the_open_clip_encoder_uses_that_tokeniser() -> None:
    encoder = build_part(OPEN_CLIP, model="ViT-B-32")
    sentence = json.loads(FILE.read_text())["sentences"][0]
    ids = encoder.text_tokeniser()([sentence["text"]])["ids"]
    assert ids[0, : len(sentence["clip77"])].tolist() == sentence["clip77"]
