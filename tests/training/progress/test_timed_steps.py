"""The first steps of a training and no more."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch

from fdakit.inference.factory import build_objectives, build_retriever
from fdakit.plugin import Split
from fdakit.recipe.recipe import Recipe
from fdakit.training.progress.timed_steps import timed_steps
from fdakit.training.trainer import Trainer

CPU = torch.device("cpu")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("asked", "taken"), [(2, 2), (4, 4), (9, 6)])
def test_as_many_steps_are_taken_as_asked_or_as_there_are(
    make_recipe: Callable[..., Recipe], split: Callable[..., Split], asked: int, taken: int
) -> None:
    recipe = make_recipe(train={"epochs": 2, "batch_size": 1})
    pairs = split(("red-across", "red"), ("blue-down", "blue"), ("pink-down", "pink"), name="train")
    retriever = build_retriever(recipe, device=CPU)
    objectives = build_objectives(recipe, retriever, CPU)
    told = timed_steps(
        lambda watchers: Trainer.of(recipe, pairs, retriever, objectives, device=CPU, watchers=watchers), asked
    )
    assert [step.step for step in told] == list(range(1, taken + 1))
    assert [step.clips for step in told] == list(range(1, taken + 1))
    assert all(before.seconds < after.seconds for before, after in pairwise(told))
