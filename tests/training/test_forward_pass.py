"""Chunks of a batch on one rank or several: gradients of every weight as of the whole, in double precision."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from helpers.exact_steps import CPU, PAIRS, POOLS, Contrast, Towers, close, gradients, shared_batch
from torch import nn

from fdakit import RecipeError
from fdakit.inference.factory import WeightedObjective, build_objectives, build_retriever
from fdakit.inference.observers import ObserverGroup
from fdakit.plugin import Split
from fdakit.recipe.recipe import Recipe
from fdakit.settings import TrainSettings
from fdakit.system.ranks import Ranks
from fdakit.testing.thread_ranks import on_ranks
from fdakit.training.forward_pass import Forward
from fdakit.training.optimisation.freezing import check_chunks, warn_of_blocked
from fdakit.training.trainer import Trainer


@pytest.mark.parametrize("lost", [(), (0, 1, 2, 3), (5,)], ids=["none lost", "a rank's lost", "one lost"])
@pytest.mark.parametrize("captions", [False, True])
@pytest.mark.parametrize("pool", ["linear", "transformer", "batch norm"])
@pytest.mark.parametrize(("size", "micro_batch"), [(2, None), (2, 3), (4, None), (4, 1)])
def test_gradients_of_several_ranks_are_those_of_one(
    size: int, micro_batch: int | None, pool: str, captions: bool, lost: Sequence[int]
) -> None:
    wanted = gradients(pool, tokens=True, micro_batch=None, captions=captions, lost=lost)
    for found in on_ranks(
        size,
        lambda ranks: gradients(
            pool, tokens=True, micro_batch=micro_batch, captions=captions, lost=lost, ranks=ranks
        ),
    ):
        close(found, wanted)


@pytest.mark.parametrize("size", [2, 4])
def test_draws_do_not_depend_on_the_number_of_ranks(size: int) -> None:
    def drawn(ranks: Ranks) -> dict[str, torch.Tensor]:
        return gradients("dropout", tokens=True, micro_batch=2, dropout=0.3, captions=True, lost=(3,), ranks=ranks)

    wanted = drawn(Ranks())
    for found in on_ranks(size, drawn):
        close(found, wanted)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("pool", ["linear", "batch norm"])
def test_gradients_are_those_of_the_whole_batch(pool: str, tokens: bool, size: int) -> None:
    wanted = gradients(pool, tokens=tokens, micro_batch=None)
    close(gradients(pool, tokens=tokens, micro_batch=size), wanted)


@pytest.mark.parametrize("size", [11, 12, None])
def test_a_chunk_that_holds_all_pairs_is_the_whole_step(size: int | None) -> None:
    found, wanted = (gradients("dropout", tokens=True, micro_batch=k, dropout=0.3) for k in (size, None))
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_draws_are_those_of_the_chunk_whatever_was_drawn_before() -> None:
    first, again = (gradients("dropout", tokens=True, micro_batch=4, dropout=0.3, drawn=k) for k in (0, 7))
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = gradients("dropout", tokens=True, micro_batch=5, dropout=0.3)
    assert not torch.equal(first["towers.image.0.weight"], other["towers.image.0.weight"])


def test_the_second_pass_draws_what_the_first_one_did() -> None:
    """With dropout, the gradient of chunks is that of their own losses: by differences, as draws are keyed."""
    torch.manual_seed(1)
    towers = Towers(dropout=0.3, pool=POOLS["linear"]()).double().train()
    contrast = Contrast(tokens=True).double()
    objective = WeightedObjective(contrast, 1.0, "objective", "contrast")
    forward = Forward(cast(Any, towers), [objective], device=CPU, precision="fp32", seed=3)
    done = forward(shared_batch(4), step=1)
    done.backward()
    weight, step = towers.image[0].weight, 1e-6
    assert weight.grad is not None
    for place in ((0, 0), (3, 7), (7, 40)):
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[place] += sign * step
            losses.append(float(forward(shared_batch(4), step=1).losses.total.detach()))
            with torch.no_grad():
                weight[place] -= sign * step
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(float(weight.grad[place]), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(
    ("broken", "kind"),
    [("image", "encoder"), ("words", "encoder"), ("aggregator", "aggregator"), ("scores", "matcher"), ("", "")],
)
def test_what_is_first_not_finite_is_told_by_the_kind_of_its_part(
    monkeypatch: pytest.MonkeyPatch, broken: str, kind: str
) -> None:
    towers = Towers(dropout=0.0, pool=POOLS["linear"]()).double()
    objective = WeightedObjective(Contrast(tokens=False).double(), float("nan"), "objective", "contrast")
    if broken == "scores":
        monkeypatch.setattr(towers, "scores", lambda texts, videos: torch.full((PAIRS, PAIRS), torch.inf))
    elif broken:
        torch.nn.init.constant_(next(getattr(towers, broken).parameters()), torch.nan)
    done = Forward(cast(Any, towers), [objective], device=CPU, precision="fp32")(shared_batch(), step=1)
    assert not done.losses.total.isfinite()
    finite = done.finite()
    assert list(finite) == ["encoder", "aggregator", "matcher"]
    assert next((one for one, fine in finite.items() if not fine), "") == kind


def test_frozen_towers_are_left_alone() -> None:
    towers = Towers(dropout=0.0, pool=POOLS["linear"]()).double().train()
    for part in (towers.image, towers.words):
        part.requires_grad_(False)
    objective = WeightedObjective(Contrast(tokens=False).double(), 1.0, "objective", "contrast")
    forward = Forward(cast(Any, towers), [objective], device=CPU, precision="fp32", seed=3)
    forward(shared_batch(4), step=1).backward()
    assert towers.image[0].weight.grad is None
    assert next(towers.aggregator.parameters()).grad is not None


@pytest.mark.integration
@pytest.mark.parametrize("parts", [{}, {"aggregator": {"use": "none"}, "matcher": {"use": "max-sim"}}])
def test_a_training_in_chunks_is_that_of_whole_batches(
    make_recipe: Callable[..., Recipe], split: Callable[..., Split], parts: dict[str, Any]
) -> None:
    names = ("red-across", "green-across", "blue-across", "blue-down", "yellow-down", "white-across", "pink-down")
    pairs = split(*((name, name.replace("-", " ")) for name in names), name="train")
    losses = []
    for size in (None, 2):
        recipe = make_recipe(
            **parts, train={"epochs": 4, "batch_size": 7, "micro_batch": size, "learning_rate": 1e-3}
        )
        retriever = build_retriever(recipe, device=CPU)
        objectives = build_objectives(recipe, retriever, CPU)
        trainer = Trainer.of(recipe, pairs, retriever, objectives, device=CPU, watchers=ObserverGroup())
        trainer.run(lambda trainer, epoch: {})
        losses.append([epoch["loss"] for epoch in trainer.history])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0][0] != losses[0][-1]


def test_a_batch_norm_that_trains_in_a_tower_is_refused_with_chunks() -> None:
    encoder = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    towers = nn.ModuleDict({"encoder": encoder, "aggregator": nn.BatchNorm1d(4)})
    chunks = TrainSettings(batch_size=8, micro_batch=4)
    with pytest.raises(RecipeError, match=r"train\.micro_batch: found 4, but encoder\.1 is a batch norm that trains"):
        check_chunks(towers, chunks)
    check_chunks(towers, TrainSettings(batch_size=8, micro_batch=8))
    check_chunks(towers, TrainSettings(batch_size=8))
    encoder.requires_grad_(False)
    check_chunks(towers, chunks)


@pytest.mark.parametrize("form", ["uint8", "unit"])
def test_a_fusion_that_no_gradient_can_reach_is_warned_of(form: str) -> None:
    labels = {"encoder": "encoder 'bytes' (mine)", "fusion": "fusion 'soft' (mine)"}
    parts = {"encoder": SimpleNamespace(pixel_form=form), "fusion": nn.Linear(2, 2), "mask": None}
    retriever: Any = SimpleNamespace(labels=labels, **parts)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        warn_of_blocked(retriever)
        assert len(told) == (form == "uint8")
        assert all(str(one.message).startswith("fusion 'soft' (mine): its weights stay as they are") for one in told)
        retriever.fusion.requires_grad_(False)
        warn_of_blocked(retriever)
        assert len(told) == (form == "uint8")
