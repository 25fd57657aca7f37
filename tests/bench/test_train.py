"""`bench train`: operations counted once, rates that follow from each other, and what is said without videos."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fdakit.bench.train import bench_train
from fdakit.bench.training.flop_count import count_flops
from fdakit.bench.training.synthetic_batch import synthetic_batch
from fdakit.inference.factory import build_retriever
from fdakit.recipe.recipe import Recipe

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore")]

MakeRecipe = Callable[..., Recipe]
CPU = torch.device("cpu")


def counted(recipe: Recipe) -> tuple[float, float]:
    batch = synthetic_batch(recipe, build_retriever(recipe, device=CPU, pretrained=False), 2)
    return count_flops(recipe, batch, CPU)


def test_operations_grow_with_the_frames_and_training_takes_up_to_three_times_its_forward_pass(
    make_recipe: MakeRecipe,
) -> None:
    (few, one), (many, two) = (counted(make_recipe(sampler={"train_frames": frames})) for frames in (2, 4))
    assert two == pytest.approx(2 * one, rel=0.01)
    assert 2 * (two - one) < many - few < 3 * (two - one)  # of the pixels no gradient is computed


def test_recomputed_activations_chunks_and_frozen_weights_are_counted_as_they_should(make_recipe: MakeRecipe) -> None:
    plain = counted(make_recipe())
    assert counted(make_recipe(train={"grad_checkpointing": True, "micro_batch": 1})) == plain
    frozen, _ = counted(make_recipe(train={"freeze": ["text-tower"]}))
    assert frozen < plain[0]


def test_rates_and_shares_follow_from_seconds_and_operations(make_recipe: MakeRecipe) -> None:
    found = bench_train(make_recipe(), steps=2)
    for name in ("train", "encode"):
        row = found[name]
        assert row["clips_a_second"] == pytest.approx(4 / row["seconds"])
        assert row["share"] == pytest.approx(row["tflop"] / row["seconds"] / found["matrix_tflops"])
    assert found["train"]["tflop"] > found["encode"]["tflop"] > 0
    loader = found["loader"]
    assert 0 <= loader["waiting"] < 1
    assert loader["cores"]["first"] == pytest.approx(
        found["train"]["clips_a_second"] / loader["clips_a_second_a_core"]["first"]
    )


@pytest.mark.parametrize("tables", [{}, {"mask": {"use": "on-device"}}])
def test_no_video_is_needed_and_that_they_are_absent_is_said(make_recipe: MakeRecipe, tables: dict[str, Any]) -> None:
    absent = {"use": "manifest", "path": "/nowhere/manifest.csv"}
    found = bench_train(make_recipe(dataset=absent, **tables), steps=1)
    assert found["train"]["clips_a_second"] > 0
    assert "/nowhere/manifest.csv" in found["loader"]["fault"]
    assert "loader" not in bench_train(make_recipe(dataset=absent, **tables), steps=1, loader=False)
