"""`train.compile`: blocks are compiled while they train and only then, or a clear refusal."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from fdakit import RecipeError
from fdakit.training.compilation import BlockCompilation, check_compiler

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
    compilation = BlockCompilation(stack.blocks(), backend=backend)
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


def test_nothing_is_compiled_unless_asked_for() -> None:
    stack = Stack()
    with BlockCompilation.of(retriever_of(stack), "none", device=CPU).on():
        assert [block._compiled_call_impl for block in stack.blocks()] == [None, None]


def test_an_encoder_without_blocks_is_refused() -> None:
    with pytest.raises(
        RecipeError, match=r"^train\.compile: encoder 'mine' \(mine\) names no blocks to compile; set"
    ):
        BlockCompilation.of(retriever_of(nn.Linear(2, 2)), "blocks", device=CPU)


def test_a_machine_without_a_compiler_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("No working C++ compiler found in cc\nand more")

    monkeypatch.setattr(torch, "compile", broken)
    words = (
        r"^train\.compile: torch\.compile does not work here on cpu \(No working C\+\+ compiler found in cc\); a CPU"
    )
    with pytest.raises(RecipeError, match=words):
        check_compiler(CPU)
