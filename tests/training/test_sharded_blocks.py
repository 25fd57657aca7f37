"""What cannot be divided over ranks is refused; the division itself is tried by processes (test_tower_sums.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from fdakit.errors import RecipeError
from fdakit.inference.factory import build_retriever
from fdakit.model.retriever import Retriever
from fdakit.recipe.recipe import Recipe
from fdakit.system.ranks import Ranks
from fdakit.training.sharded_blocks import shard_blocks

CPU = torch.device("cpu")


class TwoRanks(Ranks):
    """Two processes in which nothing may be sent."""

    @property
    def size(self) -> int:
        return 2

    @property
    def connected(self) -> bool:
        return True

    def copy_first(self, values: object) -> None:
        raise AssertionError("nothing is to be divided")


class Head(nn.Module):
    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight


@pytest.fixture
def made(make_recipe: Callable[..., Recipe]) -> tuple[Recipe, Retriever]:
    recipe = make_recipe(train={"shard": "fsdp2"})
    return recipe, build_retriever(recipe, device=CPU)


def test_one_process_divides_nothing(made: tuple[Recipe, Retriever]) -> None:
    recipe, retriever = made
    assert not shard_blocks(retriever, (), recipe.train, device=CPU, ranks=Ranks())


def test_an_objective_that_shares_a_weight_with_a_block_is_refused(made: tuple[Recipe, Retriever]) -> None:
    recipe, retriever = made
    encoder: Any = retriever.encoder
    head = Head(next(encoder.blocks()[0].parameters()))
    with pytest.raises(RecipeError, match=r'Head uses a weight of a block; set train\.shard = "none"'):
        shard_blocks(retriever, [head], recipe.train, device=CPU, ranks=TwoRanks())


def test_an_encoder_without_blocks_is_refused(
    made: tuple[Recipe, Retriever], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, retriever = made
    monkeypatch.setattr(type(retriever.encoder), "blocks", lambda self: [])
    with pytest.raises(RecipeError, match=r"train\.shard: encoder .* names no blocks"):
        shard_blocks(retriever, (), recipe.train, device=CPU, ranks=TwoRanks())


@pytest.mark.parametrize(
    ("other", "said"), [({"compile": "blocks"}, "compiled blocks"), ({"precision": "fp16"}, "scale")]
)
def test_what_does_not_go_with_it_is_refused_before_anything_is_built(
    other: dict[str, str], said: str, make_recipe: Callable[..., Recipe]
) -> None:
    with pytest.raises(RecipeError, match=said):
        make_recipe(train={"shard": "fsdp2", **other})
