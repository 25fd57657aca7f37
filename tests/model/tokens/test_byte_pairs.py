"""The tokeniser of loader workers gives CLIP's own token ids, and loads without open_clip."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from open_clip import SimpleTokenizer

from fdakit.builtin.encoders.tiny import TINY
from fdakit.model.tokens.byte_pairs import BytePairs, portable_tokenizer
from fdakit.model.tokens.clip_tokeniser import ClipTokeniser
from fdakit.testing.building import build_part

LETTERS = "abcdefghij ABC 0123 ,.!?'\u2019\"<>|_&;\u00e9\u00fc\u00df\u4e2d\U0001f642\u200d\n\t\u0130\u017f"
ODD = ("", " ", "aaaa", "don't", "<|endoftext|>", "<START_OF_TEXT> x", "&amp;lt;", "\u00e2\u20ac\u2122", "ab" * 200)


def texts(count: int) -> list[str]:
    rng = random.Random(0)
    words = [word.removesuffix("</w>") for word in SimpleTokenizer().encoder if word.isascii()]
    spelt = ["".join(rng.choices(LETTERS, k=rng.randint(0, 60))) for _ in range(count)]
    spoken = [" ".join(rng.choices(words, k=rng.randint(1, 30))) for _ in range(count)]
    strange = ["".join(chr(rng.randint(1, 0x2FFF)) for _ in range(20)) for _ in range(count)]
    return [*ODD, *spelt, *spoken, *strange]


@pytest.mark.parametrize("count", [100, pytest.param(20_000, marks=pytest.mark.proof)])
def test_token_ids_are_those_of_open_clip(count: int) -> None:
    theirs, ours = SimpleTokenizer(), BytePairs(SimpleTokenizer())
    for text in texts(count):
        assert ours.encode(text) == theirs.encode(text), text
    for length in (77, 12, None):
        some = texts(20)
        assert torch.equal(ours(some, context_length=length), theirs(some, context_length=length))


def test_only_the_tokeniser_that_is_known_is_exchanged() -> None:
    assert type(portable_tokenizer(SimpleTokenizer())) is BytePairs
    for other in (
        SimpleTokenizer(clean="whitespace"),
        SimpleTokenizer(reduction_mask="simple"),
        type("Own", (SimpleTokenizer,), {})(),
    ):
        assert portable_tokenizer(other) is other


def test_more_marks_are_kept_whole() -> None:
    theirs = SimpleTokenizer(additional_special_tokens=["<mask>"])
    ours = portable_tokenizer(theirs)
    assert type(ours) is BytePairs
    assert ours.encode("a <mask> here") == theirs.encode("a <mask> here")


@pytest.mark.parametrize("vocabulary", [512, 49408])
def test_a_sent_tokeniser_makes_the_tokens_of_its_encoder(vocabulary: int) -> None:
    own = build_part(TINY, vocabulary=vocabulary).text_tokeniser()
    there = pickle.loads(pickle.dumps(own))
    some = texts(50)
    for name, values in own(some).items():
        assert (there(some)[name] == values).all()


def test_it_loads_without_the_library_that_it_comes_from(tmp_path: Path) -> None:
    for number, own in enumerate(
        (build_part(TINY).text_tokeniser(), ClipTokeniser(SimpleTokenizer(), max_tokens=77, context_length=77))
    ):
        (tmp_path / str(number)).write_bytes(pickle.dumps(own))
    code = (
        "import pickle, sys, pathlib\n"
        "for path in sys.argv[1:]:\n"
        "    print(pickle.loads(pathlib.Path(path).read_bytes())(['a dog'])['ids'].shape[0])\n"
        "print([name for name in ('open_clip', 'timm', 'torchvision') if name in sys.modules])\n"
    )
    paths = [str(tmp_path / str(number)) for number in range(2)]
    done = subprocess.run([sys.executable, "-c", code, *paths], check=True, capture_output=True, text=True)
    assert done.stdout.split("\n")[:3] == ["1", "1", "[]"]
