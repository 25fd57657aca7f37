"""Steering a tower's tokens: what is kept, what attention is drawn to, and which towers refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.clip_batches import clip_batch

from fdakit import PluginError
from fdakit.builtin.encoders.open_clip import OPEN_CLIP
from fdakit.model import ClipEncoder
from fdakit.plugin import Fused
from fdakit.testing.building import build_part

STEERED = {
    "ViT-B-32": ((7, 7), 1),  # open_clip's own, packed attention
    "PE-Core-T-16-384": ((24, 24), 1),  # timm's EVA class with rotary positions, attention pool
    "EVA02-B-16": ((14, 14), 1),  # rotary positions
    "MobileCLIP-B": ((14, 14), 1),  # timm's ViT behind a convolutional stem
    "ViTamin-S": ((14, 14), 0),  # no class token, tokens coarser than the stem's maps
}
REFUSING = ("RN50", "swin_base_patch4_window7_224", "vit_relpos_medium_patch16_cls_224", "convnext_tiny")

Run = Callable[..., torch.Tensor]


def steering(encoder: ClipEncoder, frames: int = 2) -> tuple[Run, int]:
    """`run(**what a fusion asks for)` gives the frames' vectors; and the number of patches."""
    size, grid = encoder.preprocess.size, encoder.shapes.grid
    rgb = torch.randn(frames, 1, 3, size, size, generator=torch.Generator().manual_seed(3))
    valid = torch.ones(frames, 1, dtype=torch.bool)

    def run(**asked: Any) -> torch.Tensor:
        with torch.no_grad():
            fused = Fused(**asked)
            return encoder.encode_videos(clip_batch(rgb, valid), lambda pixels, stem: fused).vectors[:, 0]

    return run, grid[0] * grid[1]


def last_tokens(encoder: ClipEncoder, run: Run, **asked: Any) -> torch.Tensor:
    """What the last block gives out: what the norm or the pooling after it receives."""
    found: list[torch.Tensor] = []
    visual: Any = encoder.clip.visual
    after = visual.trunk.norm if hasattr(visual, "trunk") else visual.ln_post
    handle = after.register_forward_pre_hook(lambda module, args: found.append(args[0]))
    run(**asked)
    handle.remove()
    return found[0]


def some(tokens: int, k: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.stack([torch.randperm(tokens, generator=generator)[:k].sort().values for _ in range(2)])


@pytest.mark.integration
@pytest.mark.parametrize("name", STEERED)
def test_keeping_patches_is_forbidding_the_others_as_keys(name: str) -> None:
    """Two ways to the same tokens: leave patches out, or bias attention to them so low that nobody looks."""
    encoder = build_part(OPEN_CLIP, model=name).eval()
    shapes = encoder.shapes
    assert (shapes.grid, shapes.prefix_tokens) == STEERED[name]
    visual: Any = encoder.clip.visual
    blocks = visual.trunk.blocks if hasattr(visual, "trunk") else visual.transformer.resblocks
    assert shapes.layers == len(blocks) > 0
    assert encoder.accepts == {"pixels", "stem", "attention_bias", "keep"}
    run, tokens = steering(encoder)
    plain = run()
    every = torch.arange(tokens).expand(2, tokens)
    assert torch.equal(run(keep=every), plain)
    keep = some(tokens, tokens // 3)
    away = torch.full((2, tokens), -1e4).scatter(1, keep, 0.0)
    left = last_tokens(encoder, run, keep=keep)
    biased = last_tokens(encoder, run, attention_bias=away)
    places = torch.cat((torch.arange(shapes.prefix_tokens).expand(2, -1), keep + shapes.prefix_tokens), 1)
    biased = biased.gather(1, places[..., None].expand(-1, -1, biased.shape[-1]))
    assert left.shape == biased.shape
    torch.testing.assert_close(left, biased, atol=2e-5, rtol=1e-4)
    assert not torch.allclose(run(keep=keep), plain, atol=1e-7)
    assert torch.equal(run(), plain)  # nothing of it stays behind


def test_a_bias_begins_at_its_block(make_encoder: Callable[[str], ClipEncoder]) -> None:
    encoder = make_encoder("vit")
    run, tokens = steering(encoder)
    bias = torch.randn(2, tokens, generator=torch.Generator().manual_seed(1)) * 3
    assert torch.equal(run(attention_bias=bias, bias_from=2), run())
    found = [run(attention_bias=bias, bias_from=first) for first in (0, 1)]
    assert not torch.allclose(found[0], run(), atol=1e-4)
    assert not torch.allclose(found[1], run(), atol=1e-4)
    assert not torch.allclose(found[0], found[1], atol=1e-4)


def test_a_bias_equals_attention_written_out(make_encoder: Callable[[str], ClipEncoder]) -> None:
    encoder = make_encoder("vit")
    run, tokens = steering(encoder)
    bias = torch.randn(2, tokens, generator=torch.Generator().manual_seed(1))
    block = encoder.clip.visual.transformer.resblocks[1]
    seen: list[torch.Tensor] = []
    handle = block.ln_1.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    last = last_tokens(encoder, run, attention_bias=bias, bias_from=1)
    handle.remove()
    (x,), attention = seen, block.attn
    with torch.no_grad():
        packed = block.ln_1(x) @ attention.in_proj_weight.T + attention.in_proj_bias
        q, k, v = (part.unflatten(-1, (2, 32)).transpose(1, 2) for part in packed.chunk(3, -1))
        keys = torch.cat((torch.zeros(2, 1), bias), 1)
        weights = (q @ k.transpose(-1, -2) / 32**0.5 + keys[:, None, None]).softmax(-1)
        x = x + attention.out_proj((weights @ v).transpose(1, 2).flatten(2))
        expected = x + block.mlp(block.ln_2(x))
    torch.testing.assert_close(last, expected, atol=1e-5, rtol=1e-4)


def test_bias_and_keep_go_together(make_encoder: Callable[[str], ClipEncoder]) -> None:
    run, tokens = steering(make_encoder("vit"))
    keep = some(tokens, 5)
    bias = torch.randn(2, tokens, generator=torch.Generator().manual_seed(1))
    away = torch.full((2, tokens), -1e4).scatter(1, keep, bias.gather(1, keep))
    torch.testing.assert_close(run(keep=keep, attention_bias=bias), run(attention_bias=away), atol=1e-5, rtol=1e-4)


def test_gradient_reaches_a_bias_and_the_kept_patches_alone(make_encoder: Callable[[str], ClipEncoder]) -> None:
    encoder = make_encoder("vit")
    rgb = torch.randn(1, 1, 3, 32, 32, requires_grad=True)
    bias = torch.zeros(1, 16, requires_grad=True)
    keep = torch.tensor([[0, 5]])
    valid = torch.ones(1, 1, dtype=torch.bool)
    fused = encoder.encode_videos(clip_batch(rgb, valid), lambda p, s: Fused(s(p), attention_bias=bias, keep=keep))
    fused.vectors.sum().backward()
    assert rgb.grad is not None
    assert bias.grad is not None
    patches = rgb.grad[0, 0].unfold(1, 8, 8).unfold(2, 8, 8).abs().sum((0, 3, 4)).flatten()
    assert patches.nonzero().flatten().tolist() == [0, 5]
    assert bias.grad.nonzero()[:, 1].tolist() == [0, 5]


@pytest.mark.integration
@pytest.mark.parametrize("name", REFUSING)
def test_a_tower_without_one_grid_of_tokens_refuses_by_name(name: str) -> None:
    encoder = build_part(OPEN_CLIP, model=name).eval()
    assert (encoder.shapes.layers, encoder.shapes.heads) == (0, 0)
    run, _ = steering(encoder, frames=1)
    for asked in ({"keep": torch.tensor([[0]])}, {"attention_bias": torch.zeros(1, 4)}):
        with pytest.raises(PluginError, match=rf"asks for {next(iter(asked))}, but \w+ is not .*choose a ViT or EVA"):
            run(**asked)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"keep": torch.zeros(2, 1)}, r"keep: found torch.float32 \(2, 1\); wanted int64"),
        ({"keep": torch.zeros(2, 0, dtype=torch.int64)}, "k from 1 to 16"),
        ({"keep": torch.zeros(2, 17, dtype=torch.int64)}, "k from 1 to 16"),
        ({"attention_bias": torch.zeros(2, 17)}, r"found \(2, 17\) from block 0; wanted \(frames, 16\)"),
        ({"attention_bias": torch.zeros(2, 16), "bias_from": 3}, "a block from 0 to 2"),
    ],
)
def test_what_does_not_fit_the_grid_is_named(
    make_encoder: Callable[[str], ClipEncoder], asked: dict[str, Any], words: str
) -> None:
    run, _ = steering(make_encoder("vit"))
    plain = run()
    with pytest.raises(PluginError, match=words):
        run(**asked)
    assert torch.equal(run(), plain)
