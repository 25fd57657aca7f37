"""Activations computed again in the backward pass: the same bits of every tower, with less kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_towers import OTHERS, STEERED, make_tower
from open_clip.hf_model import HFTextEncoder
from torch import nn

from fdakit import PluginError
from fdakit.builtin.encoders.open_clip import OPEN_CLIP
from fdakit.model import ClipEncoder
from fdakit.model.towers.text_tower import set_text_checkpointing
from fdakit.model.towers.vision_tower import VisionTower
from fdakit.plugin import Fused, NamesBlocks, RecomputesActivations
from fdakit.testing.building import build_part

UNABLE = ("resnet", "narrow resnet", "linear patches")


@contextmanager
def counted() -> Iterator[dict[int, int]]:
    """The bytes that autograd keeps inside the block, by storage; tensors are held so that no address comes twice."""
    kept: dict[int, int] = {}
    held: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        held.append(tensor)
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield kept


def outcome(module: nn.Module, forward: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor], int]:
    """The vectors, the gradients, and the bytes kept besides weights."""
    module.zero_grad()
    torch.manual_seed(5)
    with counted() as kept:
        vectors = forward()
    torch.manual_seed(8)  # what is drawn between the passes does not matter
    vectors.square().sum().backward()
    own = sum(kept.values())
    return vectors.detach(), [w.grad.clone() for w in module.parameters() if w.grad is not None], own


@pytest.mark.parametrize("name", [*STEERED, *(name for name in OTHERS if name not in UNABLE)])
def test_a_tower_gives_the_same_bits_and_keeps_less(name: str) -> None:
    """With maps, and tokens kept and biased where they can be, under dropout, in training."""
    visual = make_tower(name).train()
    tower = VisionTower(visual, size=32)
    rgb = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    asked: dict[str, Any] = {}
    if tower.layers:
        share = torch.rand(3, tower.grid[0] * tower.grid[1], generator=torch.Generator().manual_seed(2))
        if "dropout" not in name:
            asked = {"attention_bias": share, "bias_from": 1, "keep": share.topk(6).indices.sort().values}

    def forward() -> torch.Tensor:
        return tower.forward(rgb, features=tuple(1.5 * own for own in tower.stem(rgb)), **asked)

    kept = outcome(visual, forward)
    tower.set_grad_checkpointing(True)
    again = outcome(visual, forward)
    assert torch.equal(kept[0], again[0])
    assert len(kept[1]) == len(again[1])
    assert all(torch.equal(one, other) for one, other in zip(kept[1], again[1], strict=True))
    assert again[2] < kept[2]
    tower.set_grad_checkpointing(False)
    assert outcome(visual, forward)[2] == kept[2]


@pytest.mark.parametrize("name", UNABLE)
def test_a_tower_that_cannot_says_so(name: str) -> None:
    with pytest.raises(PluginError, match=r"^\w+ cannot compute its activations again in the backward pass \(.+\)$"):
        VisionTower(make_tower(name), size=32).set_grad_checkpointing(True)


def test_both_towers_of_an_encoder_compute_again(make_encoder: Callable[[str], ClipEncoder]) -> None:
    encoder = make_encoder("vit").train()
    assert isinstance(encoder, RecomputesActivations)
    assert isinstance(encoder, NamesBlocks)
    assert [type(block).__name__ for block in encoder.blocks()] == ["ResidualAttentionBlock"] * 3
    rgb = torch.randn(4, 3, 32, 32)
    for forward in (
        lambda: encoder.encode_images(rgb, Fused()),
        lambda: encoder.encode_texts(["a dog", "two cats"]).vectors,
    ):
        encoder.set_grad_checkpointing(False)
        kept = outcome(encoder, forward)
        encoder.set_grad_checkpointing(True)
        again = outcome(encoder, forward)
        assert all(torch.equal(one, other) for one, other in zip(kept[1], again[1], strict=True))
        assert again[2] < kept[2]


class SimpleClip(nn.Module):
    """What open_clip calls a model with a text tower of its own."""

    def __init__(self, text: nn.Module) -> None:
        super().__init__()
        self.text = text


@pytest.mark.integration
def test_a_text_tower_of_transformers_computes_again_behind_frozen_embeddings_too(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    transformers.RobertaConfig(**sizes, vocab_size=90, max_position_embeddings=40).save_pretrained(tmp_path)
    text = HFTextEncoder(str(tmp_path), output_dim=16, pooler_type="mean_pooler", proj_type="mlp", pretrained=False)
    clip = SimpleClip(text.train())
    text.transformer.embeddings.requires_grad_(False)
    ids = torch.arange(3, 63).view(4, 15)
    kept = outcome(clip, lambda: text(ids))
    set_text_checkpointing(clip, True)
    again = outcome(clip, lambda: text(ids))
    assert len(kept[1]) == len(again[1]) > 30
    assert all(torch.equal(one, other) for one, other in zip(kept[1], again[1], strict=True))
    assert again[2] < 0.5 * kept[2]
    set_text_checkpointing(clip, False)
    assert outcome(clip, lambda: text(ids))[2] > 0.8 * kept[2]


@pytest.mark.proof
def test_a_frame_leaves_what_the_pages_say_of_vit_b_16() -> None:
    """In bf16, with OpenAI's activation: at most 62 MB, and 5.5 MB with activations computed again."""
    encoder = build_part(OPEN_CLIP, model="ViT-B-16", quick_gelu=True).train()

    def kept(count: int) -> int:
        with counted() as found, torch.autocast("cpu", torch.bfloat16):
            vectors = encoder.encode_images(torch.randn(count, 3, 224, 224), Fused())
        assert vectors.requires_grad
        return sum(found.values())

    assert 50e6 < kept(2) - kept(1) <= 62e6
    encoder.set_grad_checkpointing(True)
    assert 4e6 < kept(2) - kept(1) <= 5.5e6
