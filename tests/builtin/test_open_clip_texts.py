"""The encoder `open-clip` and transformers: needed for some models only, and named where it is missing."""

from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import huggingface_hub
import open_clip
import pytest
import torch
from helpers.small_clip import SIZES, snapshot, write_folder

from fdakit import CheckpointError
from fdakit.builtin.encoders.open_clip import OPEN_CLIP
from fdakit.testing.building import build_part

VOCABULARY = {**SIZES["text_cfg"], "hf_tokenizer_name": "someone/words", "tokenizer_kwargs": {"clean": "lower"}}


@pytest.fixture
def no_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)


@pytest.mark.usefixtures("no_transformers")
@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("ViT-B-16-SigLIP", "tokeniser (timm/ViT-B-16-SigLIP)"),
        ("ViT-L-14-CLIPA", "tokeniser (bert-base-uncased)"),
        ("roberta-ViT-B-32", "text tower (roberta-base)"),
        ("nllb-clip-base", "text tower (facebook/nllb-200-distilled-600M)"),
    ],
)
def test_a_model_that_needs_transformers_says_so_before_anything_is_built(name: str, use: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        build_part(OPEN_CLIP, model=name)
    wanted = f"encoder.model {name!r}: its {use} needs the library transformers, which is not installed; pip install "
    assert str(caught.value).startswith(f'{wanted}"fdakit[hf]", and connect once')


@pytest.mark.integration
@pytest.mark.usefixtures("no_transformers")
def test_the_other_models_do_without() -> None:
    needing = {n for n in open_clip.list_models() if {"hf_model_name", "hf_tokenizer_name"} & set(_text(n))}
    assert len(needing) > 30
    assert not needing & {"ViT-B-32", "ViT-B-16", "ViT-L-14", "RN50", "MobileCLIP-S1", "PE-Core-T-16-384"}
    assert build_part(OPEN_CLIP, model="PE-Core-T-16-384").text_tokeniser()(["a dog"])["ids"].shape == (1, 32)


def _text(name: str) -> dict[str, Any]:
    found: dict[str, Any] = open_clip.get_model_config(name)["text_cfg"]
    return found


class Words:
    """Stands for a tokeniser out of transformers: a word's length is its id."""

    pad_token_id = 0

    def __call__(self, texts: list[str], max_length: int, **settings: Any) -> SimpleNamespace:
        ids = torch.zeros(len(texts), max_length, dtype=torch.int64)
        for row, text in zip(ids, texts, strict=True):
            found = [len(word) for word in text.split()][:max_length]
            row[: len(found)] = torch.tensor(found)
        return SimpleNamespace(input_ids=ids)


class Library:
    """Stands for `transformers.AutoTokenizer`; knows some names offline and others online."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []
        self.offline: set[str] = set()
        self.online: set[str] = set()
        self.complaint = "not a folder of mine"

    def from_pretrained(self, name: str, cache_dir: Any = None, local_files_only: bool = False) -> Words:
        self.asked.append((name, local_files_only))
        if name not in (self.offline if local_files_only else self.offline | self.online):
            raise OSError(self.complaint)
        return Words()


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    found = Library()
    module: Any = ModuleType("transformers")
    module.__spec__ = ModuleSpec("transformers", None)
    module.AutoTokenizer = found
    monkeypatch.setitem(sys.modules, "transformers", module)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return found


def test_a_folders_vocabulary_lies_in_the_folder(library: Library, tmp_path: Path) -> None:
    write_folder(tmp_path, text_cfg={**VOCABULARY, "tokenizer_kwargs": {}})
    library.offline = {str(tmp_path)}
    encoder = build_part(OPEN_CLIP, model=f"local-dir:{tmp_path}")
    assert encoder.text_tokeniser()(["a small dog"])["ids"].tolist() == [[1, 5, 3, 0, 0, 0, 0, 0]]
    library.offline = set()
    with pytest.raises(CheckpointError, match=r"could not be read \(not a folder of mine\); put tokenizer\.json and"):
        build_part(OPEN_CLIP, model=f"local-dir:{tmp_path}")
    assert {local for _, local in library.asked} == {True}


def test_a_repositorys_vocabulary_is_the_one_it_names(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    write_folder(snapshot(tmp_path, "someone/small"), text_cfg={**VOCABULARY, "tokenizer_kwargs": {}})
    with pytest.raises(
        CheckpointError, match=r"its tokeniser is not in .*models--someone--words, and HF_HUB_OFFLINE"
    ):
        build_part(OPEN_CLIP, model="hf-hub:someone/small")
    assert library.asked == [("someone/words", True)]
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(huggingface_hub, "get_session", lambda: SimpleNamespace(head=lambda url, timeout: None))
    library.online = {"someone/words"}
    assert build_part(OPEN_CLIP, model="hf-hub:someone/small").context_length == 8
    assert library.asked[-1] == ("someone/words", False)


def test_a_missing_sentencepiece_is_named_though_another_library_is_blamed(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, text_cfg={**VOCABULARY, "tokenizer_kwargs": {}})
    library.complaint = "`tiktoken` is required to read a `tiktoken` file"
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(CheckpointError, match=r'it needs sentencepiece.*: pip install "fdakit\[hf\]"'):
        build_part(OPEN_CLIP, model=f"local-dir:{tmp_path}")


def test_a_text_tower_out_of_transformers_is_made_from_the_folder(tmp_path: Path) -> None:
    """With the library itself, where it is installed: no name is looked up on the hub."""
    tokenizers = pytest.importorskip("tokenizers")
    pytest.importorskip("transformers")
    (tmp_path / "tower").mkdir()
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    facts = {"model_type": "roberta", "vocab_size": 60, "max_position_embeddings": 40, "pad_token_id": 0, **sizes}
    (tmp_path / "tower" / "config.json").write_text(json.dumps(facts))
    text = {
        "hf_model_name": str(tmp_path / "tower"),
        "hf_tokenizer_name": "someone/words",
        "hf_proj_type": "mlp",
        "hf_pooler_type": "mean_pooler",
        "context_length": 8,
    }
    folder = tmp_path / "small"
    folder.mkdir()
    words = {word: place for place, word in enumerate(["[PAD]", "[UNK]", "a", "small", "dog"])}
    tokeniser = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    tokeniser.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokeniser.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    config = {**SIZES, "text_cfg": text}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    clip = open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False)
    torch.save(clip.state_dict(), folder / "open_clip_pytorch_model.bin")
    encoder = build_part(OPEN_CLIP, model=f"local-dir:{folder}")
    assert encoder.text_tokeniser()(["a small dog"])["ids"].tolist() == [[2, 3, 4, 0, 0, 0, 0, 0]]
    assert all(torch.equal(value, clip.state_dict()[name]) for name, value in encoder.clip.state_dict().items())
