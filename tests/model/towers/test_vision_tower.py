"""Vision towers as functions: the tower's own vectors without a fusion, and what each input does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.tiny_towers import OTHERS, SIZE, STEERED, make_tower
from torch import nn

from fdakit import PluginError
from fdakit.model.towers.stem import hand_over, pooled
from fdakit.model.towers.vision_tower import VisionTower


def images(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def seeded(call: Callable[[], torch.Tensor]) -> torch.Tensor:
    torch.manual_seed(5)
    return call().detach()


def some(tokens: int, k: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.stack([torch.randperm(tokens, generator=generator)[:k].sort().values for _ in range(3)])


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", [*STEERED, *OTHERS])
def test_without_a_fusion_the_vectors_are_the_towers_own(name: str, training: bool) -> None:
    """In training too, where patch dropout draws the same patches of the same seed."""
    visual, rgb = make_tower(name), images()
    tower = VisionTower(visual, size=SIZE)
    visual.train(training)
    expected = seeded(lambda: pooled(visual(rgb)))
    assert torch.equal(seeded(lambda: tower.forward(rgb)), expected)
    if "stem" in tower.accepts:
        assert torch.equal(seeded(lambda: tower.forward(rgb, features=tower.stem(rgb))), expected)


@pytest.mark.parametrize("name", [*STEERED, *OTHERS])
def test_a_tower_stays_as_it_was_and_says_what_it_accepts(name: str) -> None:
    visual, rgb = make_tower(name).train(), images()
    classes = [type(module) for module in visual.modules()]
    weights = list(visual.state_dict())
    tower = VisionTower(visual, size=SIZE)
    steering = {"attention_bias", "keep"} if name in STEERED else set()
    assert tower.accepts == {"pixels", *steering, *(set() if name == "linear patches" else {"stem"})}
    assert bool(tower.refusal) is (name in OTHERS)
    tower.forward(rgb, features=tower.stem(rgb) if "stem" in tower.accepts else None)
    assert [type(module) for module in visual.modules()] == classes
    assert list(visual.state_dict()) == weights
    hooks = (hook for module in visual.modules() for hook in (module._forward_hooks, module._forward_pre_hooks))
    assert not any(hooks)
    assert all(module.training for module in visual.modules())


@pytest.mark.parametrize("name", [*STEERED, *(name for name in OTHERS if name != "linear patches")])
def test_maps_of_a_fusion_replace_the_stems_own(name: str) -> None:
    tower, rgb = VisionTower(make_tower(name), size=SIZE), images()
    expected = tower.forward(rgb + 1)
    assert torch.equal(tower.forward(torch.zeros_like(rgb), features=tower.stem(rgb + 1)), expected)
    assert not torch.equal(tower.forward(rgb), expected)


def record(visual: Any, run: Callable[[], torch.Tensor]) -> torch.Tensor:
    """The tokens that the blocks give out, as the last norm, or what comes after, receives them."""
    found: list[torch.Tensor] = []
    after = visual.trunk.norm if hasattr(visual, "trunk") else visual.attn_pool or visual.ln_post
    handle = after.register_forward_pre_hook(lambda module, args: found.append(args[0]))
    with torch.no_grad():
        run()
    handle.remove()
    return found[0]


@pytest.mark.parametrize("name", [name for name in STEERED if name != "own, last norm after pooling"])
def test_keeping_patches_is_forbidding_the_others_as_keys(name: str) -> None:
    """Two ways to the same tokens: leave patches out, or bias attention to them so low that nobody looks."""
    visual, rgb = make_tower(name), images()
    tower = VisionTower(visual, size=SIZE)
    tokens, prefix = tower.grid[0] * tower.grid[1], tower.prefix
    keep = some(tokens)
    away = torch.full((3, tokens), -1e4).scatter(1, keep, 0.0)
    left = record(visual, lambda: tower.forward(rgb, keep=keep))
    biased = record(visual, lambda: tower.forward(rgb, attention_bias=away))
    places = torch.cat((torch.arange(prefix).expand(3, -1), keep + prefix), 1)
    torch.testing.assert_close(left, biased.gather(1, places[..., None].expand_as(left)), atol=1e-4, rtol=1e-4)
    plain = tower.forward(rgb)
    every = torch.arange(tokens).expand(3, -1)
    assert torch.equal(tower.forward(rgb, keep=every), plain)
    assert not torch.allclose(tower.forward(rgb, keep=keep), plain, atol=1e-6)


@pytest.mark.parametrize("name", ["own, patch dropout", "vit, patch dropout", "eva, patch dropout"])
def test_kept_patches_are_not_dropped_by_chance_besides(name: str) -> None:
    visual, rgb = make_tower(name), images()
    tower = VisionTower(visual, size=SIZE)
    keep = some(16)
    expected = tower.forward(rgb, keep=keep)
    visual.train()
    assert torch.equal(tower.forward(rgb, keep=keep), expected)
    assert not torch.allclose(tower.forward(rgb), tower.forward(rgb), atol=1e-6)


@pytest.mark.parametrize("name", ["own", "own, custom blocks", "vit", "eva"])
def test_gradient_checkpointing_changes_no_gradient_and_is_asked_for_on_the_tower(name: str) -> None:
    visual, rgb = make_tower(name), images()
    tower = VisionTower(visual, size=SIZE)
    bias = torch.randn(3, 16, generator=torch.Generator().manual_seed(1))

    def gradients(enabled: bool) -> tuple[list[torch.Tensor], int]:
        visual.zero_grad()
        visual.set_grad_checkpointing(enabled)
        calls: list[int] = []
        mlp = visual.trunk.blocks[1].mlp if hasattr(visual, "trunk") else visual.transformer.resblocks[1].mlp
        handle = mlp.register_forward_pre_hook(lambda *_: calls.append(1))
        tower.forward(rgb, attention_bias=bias, bias_from=1).sum().backward()
        handle.remove()
        return [weight.grad.clone() for weight in visual.parameters() if weight.grad is not None], len(calls)

    (plain, once), (replayed, twice) = gradients(False), gradients(True)
    assert (once, twice) == (1, 2)
    for own, other in zip(plain, replayed, strict=True):
        torch.testing.assert_close(own, other)


def test_a_later_convolution_of_three_channels_is_no_stem() -> None:
    visual: Any = make_tower("narrow resnet")
    assert visual.conv2.in_channels == 3
    assert [stem.name for stem in VisionTower(visual, size=SIZE).stem.convolutions] == ["conv1"]


class Twice(nn.Module):
    """A tower that calls the convolution on the image again further up."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        return self.convolution(self.convolution(rgb)).mean((2, 3))


def test_a_map_replaces_the_first_result_alone() -> None:
    visual = Twice()
    tower = VisionTower(visual, size=SIZE)
    assert [stem.name for stem in tower.stem.convolutions] == ["convolution"]
    assert torch.equal(tower.forward(images(), features=tower.stem(images())), visual(images()))


def test_no_hook_survives_an_error() -> None:
    visual = Twice()
    with pytest.raises(RuntimeError, match="out of luck"), hand_over([visual.convolution], [images()]):
        raise RuntimeError("out of luck")
    assert not visual.convolution._forward_hooks


def test_a_tower_without_a_stem_takes_pixels_and_refuses_maps() -> None:
    tower = VisionTower(make_tower("linear patches"), size=SIZE)
    assert tower.forward(images()).shape == (3, 32)
    with pytest.raises(PluginError, match=r"LinearPatches: no convolution reads RGB, .*such as multiply"):
        tower.stem(images())
    with pytest.raises(PluginError, match="1 maps; this stem has 0 convolutions"):
        tower.forward(images(), features=(images(),))


def test_a_known_class_that_computes_otherwise_runs_its_own_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    """As another version of the library might: the classes are the same, the vectors are not."""
    visual: Any = make_tower("own")
    own = type(visual).forward
    monkeypatch.setattr(type(visual), "forward", lambda self, x: own(self, x) * 2)
    tower = VisionTower(visual, size=SIZE)
    assert torch.equal(tower.forward(images()), visual(images()))
    with pytest.raises(PluginError, match="VisionTransformer is not computed by the steps that fdakit knows"):
        tower.forward(images(), keep=some(16))


def test_a_tower_of_another_image_size_is_refused_with_its_words() -> None:
    with pytest.raises(PluginError, match=r"VisionTransformer: cannot encode an RGB image of 40 px \(.+\); "):
        VisionTower(make_tower("own"), size=40)


@pytest.mark.parametrize("name", ["own", "own, custom blocks", "vit", "eva"])
def test_a_bias_is_not_copied_for_every_query(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one value a frame, head and key: over queries it is broadcast."""
    tower, rgb = VisionTower(make_tower(name), size=SIZE), images()
    own = nn.functional.scaled_dot_product_attention
    sizes: list[int] = []

    def attend(q: Any, k: Any, v: Any, attn_mask: Any = None, *rest: Any, **named: Any) -> torch.Tensor:
        if attn_mask is not None:
            sizes.append(attn_mask.untyped_storage().nbytes() // attn_mask.element_size())
        return own(q, k, v, attn_mask, *rest, **named)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", attend)
    tower.forward(rgb, attention_bias=torch.randn(3, 16), bias_from=1)
    assert len(sizes) == 1
    assert sizes[0] <= 3 * tower.heads * (16 + tower.prefix)
