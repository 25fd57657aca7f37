"""Fusion and tower as one graph of `torch.compile`, for any number of frames, with the vectors of eager mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from helpers.tiny_towers import SIZE, make_tower
from torch import nn
from torch._dynamo.utils import counters

from fdakit.builtin.encoders.open_clip import OPEN_CLIP
from fdakit.builtin.encoders.tiny import TINY
from fdakit.builtin.fusions.alpha_conv import ALPHA_CONV
from fdakit.builtin.fusions.attention_bias import ATTENTION_BIAS
from fdakit.builtin.fusions.blur_background import BLUR_BACKGROUND
from fdakit.builtin.fusions.gated import GATED
from fdakit.builtin.fusions.motion_tokens import MOTION_TOKENS
from fdakit.builtin.fusions.multiply import MULTIPLY
from fdakit.builtin.fusions.none import NONE
from fdakit.model import ClipEncoder
from fdakit.model.towers import open_clip_vit
from fdakit.model.towers.vision_tower import VisionTower
from fdakit.plugin import Component
from fdakit.testing.building import build_part
from fdakit.training.compilation import TrainingCompilation

FUSIONS = {
    part.name: part for part in (ALPHA_CONV, ATTENTION_BIAS, MOTION_TOKENS, GATED, MULTIPLY, BLUR_BACKGROUND, NONE)
}
TEN_NUMBERS = (6, 9, 12, 7, 16, 24, 8, 31, 48, 10)
MORE_GRAPHS = {"blur-background": 2}  # on the CPU, torch takes another convolution for its blur from 16 images on
Forward = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Graphs of one test are none of another's."""
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def join(encoder: ClipEncoder, part: Component[Any, Any]) -> tuple[Forward, list[nn.Parameter]]:
    """The fusion before the encoder as a function of images and alpha; and their weights, the fusion's drawn."""
    fusion = build_part(part, encoder.shapes)
    own = list(fusion.parameters()) if isinstance(fusion, nn.Module) else []
    for weight in own:
        nn.init.normal_(weight, std=0.3)

    def forward(rgb: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
        return encoder.encode_images(rgb, fusion(rgb, alpha, encoder.stem))

    return forward, [*encoder.clip.visual.parameters(), *own]  # type: ignore[union-attr]


def clips(count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(count)
    rgb = torch.randn(count, 3, size, size, generator=generator)
    alpha = (torch.rand(count, 1, size, size, generator=generator) > 0.7).float()
    for value in (rgb, alpha):
        torch._dynamo.mark_dynamic(value, 0)
    return rgb, alpha


def check_graphs(forward: Forward, *, backend: str, size: int, numbers: tuple[int, ...], wanted: int = 1) -> None:
    """One graph for all numbers of frames, unless more are wanted, and the vectors of eager mode."""
    compiled = torch.compile(forward, backend=backend, fullgraph=True)
    for count in numbers:
        rgb, alpha = clips(count, size)
        torch.testing.assert_close(compiled(rgb, alpha), forward(rgb, alpha), atol=1e-5, rtol=0)
    assert counters["stats"]["unique_graphs"] == wanted
    assert not counters["graph_break"]


@pytest.mark.parametrize("name", FUSIONS)
def test_fusion_and_tower_are_one_graph(name: str, make_encoder: Callable[[str], ClipEncoder]) -> None:
    encoder = make_encoder("vit")
    forward, _ = join(encoder.train(), FUSIONS[name])
    check_graphs(forward, backend="eager", size=32, numbers=(2, 3, 5))


@pytest.mark.integration
@pytest.mark.parametrize("name", ["own, custom blocks", "vit", "eva"])
def test_every_family_is_one_graph_with_all_that_a_fusion_may_ask(name: str) -> None:
    tower = VisionTower(make_tower(name), size=SIZE)

    def forward(rgb: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
        share = torch.nn.functional.adaptive_avg_pool2d(alpha, tower.grid).flatten(1)
        keep = share.topk(5).indices.sort().values
        maps = tuple(own + 1 for own in tower.stem(rgb))
        return tower.forward(rgb, features=maps, attention_bias=share, bias_from=1, keep=keep)

    check_graphs(forward, backend="eager", size=SIZE, numbers=(2, 3, 5))


@pytest.mark.integration
def test_a_checkpointed_tower_is_one_graph_too(make_encoder: Callable[[str], ClipEncoder]) -> None:
    encoder = make_encoder("vit")
    encoder.clip.visual.set_grad_checkpointing(True)  # type: ignore[union-attr, operator]
    forward, _ = join(encoder.train(), ATTENTION_BIAS)
    check_graphs(forward, backend="eager", size=32, numbers=(2, 3, 5))


def gradients(forward: Forward, weights: list[nn.Parameter], size: int, count: int) -> torch.Tensor:
    for weight in weights:
        weight.grad = None
    forward(*clips(count, size)).square().sum().backward()
    return torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None])


@pytest.mark.proof
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
@pytest.mark.parametrize("name", FUSIONS)
def test_one_graph_for_ten_numbers_of_frames(name: str, backend: str) -> None:
    """The tower of quickstart. Gradients of the compiled pass are those of eager mode too."""
    encoder = build_part(TINY, layers=2)
    size = encoder.preprocess.size
    forward, weights = join(encoder.train(), FUSIONS[name])
    graphs = MORE_GRAPHS.get(name, 1)
    check_graphs(forward, backend=backend, size=size, numbers=TEN_NUMBERS, wanted=graphs)
    compiled = torch.compile(forward, backend=backend, fullgraph=True)
    expected, found = (gradients(each, weights, size, 9) for each in (forward, compiled))
    assert float((found - expected).norm() / expected.norm()) < 1e-5
    assert counters["stats"]["unique_graphs"] == graphs


@pytest.mark.proof
@pytest.mark.parametrize("name", ["alpha-conv", "attention-bias", "motion-tokens"])
def test_one_graph_of_vit_b_32(name: str) -> None:
    encoder = build_part(OPEN_CLIP, model="ViT-B-32")
    forward, _ = join(encoder.train(), FUSIONS[name])
    with torch.no_grad():
        check_graphs(forward, backend="inductor", size=224, numbers=TEN_NUMBERS)


def compile_blocks(encoder: ClipEncoder, *, backend: str) -> TrainingCompilation:
    """The compilation of an encoder's blocks, and of those that take a bias, by a backend."""
    packed = torch.compile(open_clip_vit._run_packed_block, backend=backend, dynamic=True)
    encoder._tower._family.__dict__["_compiled_packed_block"] = packed
    return TrainingCompilation(encoder.blocks(), backend=backend)


def check_blocks(name: str, encoder: ClipEncoder, *, backend: str, numbers: tuple[int, ...]) -> None:
    """One graph for all vision blocks, with a bias or without; outputs and gradients of eager mode."""
    forward, weights = join(encoder.train(), FUSIONS[name])
    size = encoder.preprocess.size
    eager = {
        count: (forward(*clips(count, size)).detach(), gradients(forward, weights, size, count)) for count in numbers
    }
    with compile_blocks(encoder, backend=backend).on():
        for count in numbers:
            torch.testing.assert_close(forward(*clips(count, size)).detach(), eager[count][0], atol=1e-5, rtol=0)
            found = gradients(forward, weights, size, count)
            assert float((found - eager[count][1]).norm() / eager[count][1].norm()) < 1e-5
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


@pytest.mark.parametrize("name", FUSIONS)
def test_blocks_are_one_graph_though_there_were_as_many_frames_as_tokens(
    name: str, make_encoder: Callable[[str], ClipEncoder]
) -> None:
    """torch takes sizes that are equal at first for one, of which a batch of another number needs a second graph."""
    encoder = make_encoder("vit").train()
    seen: list[int] = []
    encoder.blocks()[0].register_forward_pre_hook(lambda block, given: seen.append(given[0].shape[1]))
    forward, _ = join(encoder, FUSIONS[name])
    forward(*clips(2, 32))
    tokens = seen[0] if seen else 1 + encoder.shapes.grid[0] * encoder.shapes.grid[1]
    check_blocks(name, make_encoder("vit"), backend="eager", numbers=(tokens, 2, tokens + 1, 3))


@pytest.mark.integration
@pytest.mark.parametrize("name", ["alpha-conv", "attention-bias"])
def test_blocks_are_one_graph_with_checkpointing_too(name: str, make_encoder: Callable[[str], ClipEncoder]) -> None:
    encoder = make_encoder("vit")
    encoder.set_grad_checkpointing(name == "attention-bias")
    check_blocks(name, encoder, backend="eager", numbers=(2, 3, 5))


@pytest.mark.proof
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("name", FUSIONS)
def test_blocks_are_one_graph_for_ten_numbers_of_frames(name: str, again: bool) -> None:
    """The tower of quickstart by inductor, with activations kept or computed again."""
    encoder = build_part(TINY, layers=2)
    encoder.set_grad_checkpointing(again)
    check_blocks(name, encoder, backend="inductor", numbers=TEN_NUMBERS)
