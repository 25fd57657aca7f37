"""Steps between those of a ViT: what a method adds to the tokens of a frame, and what each attention sees."""

from __future__ import annotations

from typing import Any

import open_clip
import pytest
import torch

from fdakit.errors import PluginError
from fdakit.model.towers.vision_tower import VisionTower

GRID, LAYERS, WIDTH = 16, 2, 64
RGB = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class Added:
    """Adds tokens of one value; what attention sees is changed by `change`."""

    def __init__(self, count: int, *, change: Any = None) -> None:
        self.count, self.change = count, change or (lambda tokens: tokens)
        self.shapes: list[tuple[int, ...]] = []
        self.blocks: list[int] = []

    def begin(self, tokens: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(tokens.shape))
        return torch.cat((tokens, tokens.new_ones(len(tokens), self.count, tokens.shape[2])), dim=1)

    def before_attention(self, tokens: torch.Tensor, block: int) -> torch.Tensor:
        self.blocks.append(block)
        changed: torch.Tensor = self.change(tokens)
        return changed

    def end(self, tokens: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(tokens.shape))
        return tokens[:, : tokens.shape[1] - self.count]


def make_tower(**more: Any) -> tuple[Any, VisionTower]:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"image_size": 32, "patch_size": 8, "width": WIDTH, "layers": LAYERS, **more}
    text = open_clip.CLIPTextCfg(context_length=8, vocab_size=16, width=64, heads=1, layers=1)
    clip = open_clip.CLIP(32, vision_cfg=open_clip.CLIPVisionCfg(**sizes), text_cfg=text).eval()
    return clip.visual, VisionTower(clip.visual, size=32)


@pytest.mark.parametrize("more", [{}, {"qk_norm": True}])
def test_steps_that_change_nothing_leave_the_vectors(more: dict[str, Any]) -> None:
    _, tower = make_tower(**more)
    steps = Added(0)
    torch.testing.assert_close(tower.forward(RGB, steps=steps), tower.forward(RGB))
    assert steps.shapes == [(3, 1 + GRID, WIDTH)] * 2
    assert steps.blocks == list(range(LAYERS))


def test_tokens_are_behind_the_others_and_take_part_in_attention() -> None:
    _, tower = make_tower()
    steps = Added(2)
    assert not torch.allclose(tower.forward(RGB, steps=steps), tower.forward(RGB), atol=1e-4)
    assert steps.shapes == [(3, 1 + GRID, WIDTH), (3, 3 + GRID, WIDTH)]


def test_only_what_attention_sees_is_changed_and_not_the_residual_path() -> None:
    visual, tower = make_tower()
    for block in visual.transformer.resblocks:
        block.attn.out_proj.weight.data.zero_()
        block.attn.out_proj.bias.data.zero_()
    silent = Added(0, change=torch.zeros_like)
    torch.testing.assert_close(tower.forward(RGB, steps=silent), tower.forward(RGB))


@pytest.mark.parametrize("more", [{}, {"qk_norm": True}])
def test_a_bias_of_minus_infinity_hides_patches_also_behind_added_tokens(more: dict[str, Any]) -> None:
    _, tower = make_tower(**more)
    bias = torch.zeros(3, GRID)
    bias[:, 5:] = float("-inf")
    keep = torch.arange(5).expand(3, -1)
    found = tower.forward(RGB, attention_bias=bias, steps=Added(2))
    torch.testing.assert_close(found, tower.forward(RGB, keep=keep, steps=Added(2)))


def test_activations_computed_again_give_the_same_gradients() -> None:
    visual, tower = make_tower()
    found = []
    for enable in (False, True):
        tower.set_grad_checkpointing(enable)
        visual.zero_grad()
        tower.forward(RGB, steps=Added(2)).square().sum().backward()
        found.append(visual.conv1.weight.grad.clone())
    torch.testing.assert_close(*found)


def test_a_tower_that_takes_no_steps_says_so() -> None:
    clip = open_clip.create_model("RN50", pretrained=None)
    tower = VisionTower(clip.visual, size=224)
    assert not tower.takes_steps
    with pytest.raises(PluginError, match=r"ModifiedResNet is not open_clip's own ViT"):
        tower.forward(torch.zeros(1, 3, 224, 224), steps=Added(1))
