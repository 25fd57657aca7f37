"""Weights that are evaluated beside those that train: an average of them, or what an optimiser averages itself."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import nn

from fdakit import RecipeError
from fdakit.errors import PartError
from fdakit.training.optimisation.evaluated_weights import EvaluatedWeights
from fdakit.training.optimisation.grouped_optimiser import GroupedOptimiser


class ScheduleFree(torch.optim.SGD):
    """SGD that trains at one point and is evaluated at the mean of all; as strict as its calls are promised to be."""

    def __init__(self, weights: Any) -> None:
        super().__init__(weights, lr=0.1)
        self.param_groups[0] |= {"mode": "", "steps": 0}

    def train(self) -> None:
        (group,) = self.param_groups
        assert group["mode"] != "train"
        group["mode"] = "train"
        for weight in group["params"]:
            if "train" in self.state[weight]:
                weight.data.copy_(self.state[weight]["train"])

    def eval(self) -> None:
        (group,) = self.param_groups
        assert group["mode"] == "train"
        group["mode"] = "eval"
        for weight in group["params"]:
            self.state[weight]["train"] = weight.detach().clone() * 1.0000001  # as inexact as a real one
            weight.data.copy_(self.state[weight]["mean"])

    def step(self, closure: Any = None) -> None:
        (group,) = self.param_groups
        assert group["mode"] == "train"
        super().step()
        group["steps"] += 1
        for weight in group["params"]:
            mean = self.state[weight].get("mean", torch.zeros_like(weight))
            self.state[weight]["mean"] = mean + (weight.detach() - mean) / group["steps"]


Make = Callable[[nn.Module], GroupedOptimiser]


def plain(layer: nn.Module) -> GroupedOptimiser:
    return GroupedOptimiser(torch.optim.AdamW(layer.parameters(), lr=0.1, fused=True), label="optimiser 'adamw'")


def free(layer: nn.Module) -> GroupedOptimiser:
    return GroupedOptimiser(ScheduleFree(layer.parameters()), label="optimiser 'free'")


class Training:
    """Five weights towards zero, with noise; saved and resumed as a run is."""

    def __init__(self, make: Make, *, decay: float) -> None:
        torch.manual_seed(0)
        self.layer = nn.Linear(5, 1, bias=False)
        self.optimiser = make(self.layer)
        self.evaluated = EvaluatedWeights(list(self.layer.parameters()), self.optimiser, decay=decay)

    def step(self, number: int) -> None:
        self.optimiser.begin(1.0)
        noise = torch.randn(5, generator=torch.Generator().manual_seed(number))
        self.layer(torch.ones(5) + noise).square().sum().backward()
        self.optimiser.step(clip_norm=1.0, where="here", loss=torch.tensor(1.0))
        self.evaluated.step_taken()

    @property
    def weight(self) -> torch.Tensor:
        return self.layer.weight.detach().clone()

    def save(self) -> tuple[torch.Tensor, Any]:
        with self.evaluated.shown():
            return self.weight, deepcopy({"optimiser": self.optimiser.state(), **self.evaluated.state()})

    def take_up(self, saved: tuple[torch.Tensor, Any]) -> None:
        with torch.no_grad():
            self.layer.weight.copy_(saved[0])
        self.optimiser.restore(saved[1]["optimiser"])
        self.evaluated.restore(saved[1])


def test_an_average_is_the_moving_one_from_the_first_step_on() -> None:
    training, seen = Training(plain, decay=0.9), []
    for number in range(4):
        training.step(number)
        seen.append(training.weight)
    average = seen[0]
    for weight in seen[1:]:
        average = 0.9 * average + 0.1 * weight
    with training.evaluated.shown():
        torch.testing.assert_close(training.weight, average)
    assert torch.equal(training.weight, seen[-1])


@pytest.mark.parametrize(("make", "decay"), [(plain, 0.9), (free, 0.0)])
def test_looking_at_the_evaluated_weights_changes_no_bit_of_the_training(make: Make, decay: float) -> None:
    undisturbed, looked_at = Training(make, decay=decay), Training(make, decay=decay)
    for number in range(5):
        for training in (undisturbed, looked_at):
            training.step(number)
        before = looked_at.weight
        with pytest.raises(KeyError), looked_at.evaluated.shown():
            shown = looked_at.weight
            with looked_at.evaluated.shown():  # a checkpoint, while validation is under way
                assert torch.equal(looked_at.weight, shown)
            assert torch.equal(looked_at.weight, shown)
            raise KeyError
        assert torch.equal(looked_at.weight, before)
    assert not torch.equal(shown, before)
    assert torch.equal(looked_at.weight, undisturbed.weight)


@pytest.mark.parametrize("stop", range(5))
@pytest.mark.parametrize(("make", "decay"), [(plain, 0.9), (free, 0.0), (plain, 0.0)])
def test_a_training_that_is_taken_up_ends_in_the_same_bits(make: Make, decay: float, stop: int) -> None:
    whole, stopped, taken_up = (Training(make, decay=decay) for _ in range(3))
    for number in range(5):
        whole.step(number)
    for number in range(stop):
        stopped.step(number)
    if stop:
        taken_up.take_up(stopped.save())
    for number in range(stop, 5):
        taken_up.step(number)
    (wanted, _), (found, _) = whole.save(), taken_up.save()
    assert torch.equal(found, wanted)
    assert torch.equal(taken_up.weight, whole.weight)


def test_without_either_nothing_is_apart_and_nothing_is_added_to_a_state() -> None:
    training = Training(plain, decay=0.0)
    training.step(0)
    assert (training.evaluated.apart, training.evaluated.note, training.evaluated.state()) == (False, "", {})
    assert Training(plain, decay=0.99).evaluated.note == "weights averaged by train.ema = 0.99"
    assert Training(free, decay=0.0).evaluated.note == "weights averaged by optimiser 'free'"


def test_a_state_without_the_evaluated_weights_in_place_is_not_given() -> None:
    with pytest.raises(RuntimeError, match="were not in place"):
        Training(plain, decay=0.9).evaluated.state()


def test_two_averages_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"^train\.ema: found 0\.9, but optimiser 'free' averages weights itself"):
        Training(free, decay=0.9)


def test_an_optimiser_that_fails_in_its_switch_is_named() -> None:
    class Broken(ScheduleFree):
        def eval(self) -> None:
            raise ValueError("stuck")

    training = Training(lambda layer: GroupedOptimiser(Broken(layer.parameters()), label="it"), decay=0.0)
    training.step(0)
    with pytest.raises(PartError, match=r"^it failed in eval\(\): ValueError: stuck"), training.evaluated.shown():
        pass
