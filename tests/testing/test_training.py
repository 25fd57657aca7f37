"""`check_optimiser`: every built-in keeps it, and each assertion rejects an optimiser that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.sample_plugins import component

from fdakit.builtin.optimisers.timm import TIMM
from fdakit.catalog import load_catalog
from fdakit.testing import check_optimiser

OFFERED = [pytest.param(offer.component, id=offer.component.name) for offer in load_catalog().of_kind("optimiser")]
Groups = list[dict[str, Any]]


@pytest.mark.parametrize("optimiser", OFFERED)
def test_every_optimiser_keeps_the_laws(optimiser: Any) -> None:
    check_optimiser(optimiser)


@pytest.mark.parametrize("name", ["sgd", "lion", "lamb", "adafactor"])
def test_optimisers_of_timm_keep_them_too(name: str) -> None:
    check_optimiser(TIMM, name=name, weight_decay=0.1)


class Sgd(torch.optim.SGD):
    """Gradient descent with momentum, which its state holds; `decay` shrinks every weight."""

    def __init__(
        self, groups: Groups, *, decay: float = 0.0, momentum: float = 0.9, rate: float | None = None
    ) -> None:
        ready = [{"params": group["params"], "lr": rate or group["lr"]} for group in groups]
        super().__init__(ready, momentum=0.9, weight_decay=decay)


class Unclearing(Sgd):
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear nothing."""


class Resting(Sgd):
    def step(self, closure: Any = None) -> Any:
        """Move nothing."""


class Exploding(Sgd):
    def step(self, closure: Any = None) -> Any:
        super().step()
        for group in self.param_groups:
            for weight in group["params"]:
                weight.data[weight.grad is not None :].mul_(torch.inf)


class Shrinking(Sgd):
    def step(self, closure: Any = None) -> Any:
        super().step()
        for group in self.param_groups:
            for weight in group["params"]:
                weight.data.mul_(1 - group["lr"])


class Deaf(Sgd):
    """Steps at the rates it was made with, whatever the schedule says."""

    def __init__(self, groups: Groups) -> None:
        super().__init__(groups)
        self.rates = [group["lr"] for group in groups]

    def step(self, closure: Any = None) -> Any:
        for group, rate in zip(self.param_groups, self.rates, strict=True):
            group["lr"] = rate
        super().step()


class AllOrNothing(Sgd):
    """Steps only while every group has a rate."""

    def step(self, closure: Any = None) -> Any:
        if all(group["lr"] for group in self.param_groups):
            super().step()


class Forgetting(Sgd):
    def state_dict(self) -> Any:
        """Keep the groups and not the momenta."""
        return super().state_dict() | {"state": {}}


class Kept:
    """No tensor and no plain value."""


class Pickling(Sgd):
    def state_dict(self) -> Any:
        return super().state_dict() | {"kept": Kept()}


def only_first(groups: Groups) -> Sgd:
    return Sgd(groups[:1])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda groups: None, r"the factory gave None, without param_groups"),
        (only_first, "param_groups hold 2 weights; wanted the 4"),
        (lambda groups: Sgd(groups, rate=0.5), r"rates are \[0.5\]; wanted those of the groups"),
        (Unclearing, r"zero_grad\(\) leaves gradients"),
        (Resting, "has not moved in three steps"),
        (Exploding, "not finite"),
        (Shrinking, "without a gradient moved"),
        (Deaf, "moved at a rate of 0"),
        (AllOrNothing, "rests beside a rate of 0"),
        (lambda groups: Sgd(groups, decay=0.1), "decays = False shrinks"),
        (Forgetting, "gives other next steps"),
        (Pickling, "more than tensors and plain values"),
    ],
)
def test_an_optimiser_that_breaks_a_law_is_rejected(make: Callable[[Groups], Any], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_optimiser(component(build=lambda options, shapes: lambda groups: make(groups)))


def test_the_parts_above_break_nothing_else() -> None:
    check_optimiser(component(build=lambda options, shapes: lambda groups: Sgd(groups)))
