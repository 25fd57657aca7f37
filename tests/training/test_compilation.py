"""`train.compile`: blocks are compiled while they train and only then, or a clear refusal."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from fdakit import RecipeError
from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.data_pipeline.travelling_alphas import TravellingAlphas
from fdakit.features import ClipBatch, Fused, PixelForm, VideoFeatures
from fdakit.inference.batch_alphas import batch_alphas
from fdakit.model import pixel_forms
from fdakit.model.pixel_forms import PixelSteps
from fdakit.model.retriever import Retriever
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Preprocess
from fdakit.training.compilation import TrainingCompilation, check_compiler

CPU = torch.device("cpu")


class Stack(nn.Module):
    """An encoder of two equal blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.GELU()) for _ in range(2))

    def blocks(self) -> list[nn.Module]:
        return list(self.layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def retriever_of(encoder: Any) -> Any:
    return SimpleNamespace(encoder=encoder, labels={"encoder": "encoder 'mine' (mine)"})


def test_equal_blocks_share_one_graph_for_any_number_again_after_an_evaluation_too() -> None:
    graphs: list[int] = []

    def backend(graph: Any, inputs: Any) -> Any:
        def run(*given: Any) -> Any:
            graphs.append(id(graph))
            return graph.forward(*given)

        return run

    torch._dynamo.reset()
    stack = Stack()
    names = list(stack.state_dict())
    compilation = TrainingCompilation(stack.blocks(), backend=backend)
    for _ in range(2):
        with compilation.on():
            assert list(stack.state_dict()) == names
            for count in (3, 5, 4):
                given = torch.randn(count, 4, requires_grad=True)
                found = stack(given)
                with torch.compiler.set_stance("force_eager"):
                    assert torch.equal(found, stack(given))
        ran = len(graphs)
        stack(torch.randn(3, 4))  # outside it is not compiled
        assert len(graphs) == ran
    assert ran == 2 * 3 * 2  # two epochs, three batches, two blocks
    assert len(set(graphs)) == 1


FORMS: tuple[PixelForm, ...] = ("normalised", "unit", "uint8")


@pytest.mark.parametrize("form", FORMS)
def test_pixels_and_alpha_become_float_in_one_graph_each_for_any_number_of_frames(form: PixelForm) -> None:
    ran: list[str] = []

    def backend(graph: Any, inputs: Any) -> Any:
        ran.append(str([node.target for node in graph.graph.nodes if node.op.startswith("call")]))
        return graph.forward

    torch._dynamo.reset()
    steps, colours = PixelSteps(), (torch.rand(3, 1, 1), torch.rand(3, 1, 1) + 0.3)
    levels = torch.arange(256, dtype=torch.uint8)
    for _ in range(2):  # epochs
        with TrainingCompilation([nn.Linear(2, 2)], steps, backend=backend).on():
            for videos, frames in ((3, 3), (4, 2), (2, 5)):
                shown = levels.repeat(3 * videos * frames).view(videos, frames, 3, 16, 16)
                found = steps.to_form(form, shown, *colours)
                assert torch.equal(found, pixel_forms.to_form(form, shown, *colours))
                normalised = steps.to_normalised(form, found, *colours)
                assert torch.equal(normalised, pixel_forms.to_normalised(form, found, *colours))
                assert torch.equal(
                    steps.from_normalised(form, normalised, *colours),
                    pixel_forms.from_normalised(form, normalised, *colours),
                )
                alpha = shown[:, :, :1]
                assert torch.equal(steps.plain_alpha(alpha), pixel_forms.plain_alpha(alpha))
    assert len(ran) == len(set(ran)) == {"normalised": 2, "unit": 4, "uint8": 3}[form]
    before = len(ran)
    steps.plain_alpha(levels[None])
    assert len(ran) == before  # outside they are not compiled


class Plain(nn.Module):
    """A stranger's encoder, of which only the blocks are known."""

    pixel_form: PixelForm = "normalised"

    def __init__(self) -> None:
        super().__init__()
        self.shapes = BuildContext(embedding=4)
        self.head = nn.Linear(3, 4)

    def blocks(self) -> list[nn.Module]:
        return [self.head]

    def encode_videos(self, clips: ClipBatch, fuse: Any) -> VideoFeatures:
        rgb = fuse(clips.packed(), None).pixels
        return VideoFeatures(clips.unpacked(self.head(rgb.mean(dim=(2, 3)))), clips.valid)


class Darken:
    """A stranger's fusion."""

    uses = frozenset({"pixels"})

    def __call__(self, rgb: torch.Tensor, alpha: torch.Tensor, stem: Any) -> Fused:
        return Fused(pixels=rgb * alpha)


def test_any_encoder_and_fusion_are_given_pixels_that_compiled_code_made() -> None:
    uint8: list[tuple[torch.dtype, ...]] = []

    def backend(graph: Any, inputs: Any) -> Any:
        if any(isinstance(one, torch.Tensor) and one.dtype == torch.uint8 for one in inputs):
            uint8.append(tuple(one.dtype for one in graph(*inputs)))
        return graph.forward

    encoder = Plain()
    parts: Any = {"encoder": encoder, "fusion": Darken(), "aggregator": None, "matcher": None}
    labels = {kind: kind for kind in parts}
    retriever = Retriever(**parts, preprocess=Preprocess(8, (0.5,) * 3, (0.2,) * 3), labels=labels)
    valid = torch.tensor([[True, False], [True, True], [True, True]])
    frames = torch.randint(0, 256, (3, 2, 3, 8, 8), dtype=torch.uint8)
    levels = {"none": torch.randint(0, 256, (3, 2, 1, 8, 8), dtype=torch.uint8)}
    batch = LoadedBatch(("a", "b", "c"), frames, TravellingAlphas(levels), valid, torch.zeros(3, 2))

    def encode() -> torch.Tensor:
        clips = ClipBatch.of(batch, CPU)
        return retriever.encode_videos(clips, batch_alphas(retriever, batch, clips)["none"]).vectors

    expected = encode()
    torch._dynamo.reset()
    with TrainingCompilation(encoder.blocks(), retriever.pixel_steps, backend=backend).on():
        assert torch.equal(encode(), expected)
    assert uint8 == [(torch.float32,), (torch.float32,)]  # alpha and frames


def test_nothing_is_compiled_unless_asked_for() -> None:
    stack = Stack()
    with TrainingCompilation.of(retriever_of(stack), "none", device=CPU).on():
        assert [block._compiled_call_impl for block in stack.blocks()] == [None, None]


def test_an_encoder_without_blocks_is_refused() -> None:
    with pytest.raises(
        RecipeError, match=r"^train\.compile: encoder 'mine' \(mine\) names no blocks to compile; set"
    ):
        TrainingCompilation.of(retriever_of(nn.Linear(2, 2)), "blocks", device=CPU)


def test_a_machine_without_a_compiler_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("No working C++ compiler found in cc\nand more")

    monkeypatch.setattr(torch, "compile", broken)
    words = (
        r"^train\.compile: torch\.compile does not work here on cpu \(No working C\+\+ compiler found in cc\); a CPU"
    )
    with pytest.raises(RecipeError, match=words):
        check_compiler(CPU)
