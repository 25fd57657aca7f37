"""What observers are told of a step beside its losses."""

from __future__ import annotations

from math import isnan
from typing import Any

import pytest
import torch

from fdakit.training.progress.pace import Pace
from fdakit.training.progress.step_facts import step_facts
from fdakit.training.step_losses import StepLosses

LOSSES = StepLosses(torch.tensor(3.0, requires_grad=True), {"a.one": torch.tensor(1.0), "b.two": torch.tensor(2.0)})
KNOWN: dict[str, Any] = {"step": 1, "steps": 2, "epoch": 1, "learning_rate": 0.1, "pairs": 4}


class Scaled:
    """An objective with a scale."""

    def __init__(self, scale: Any) -> None:
        self.scale = scale


@pytest.mark.parametrize("scale", [14.5, 14, torch.tensor(14.5, dtype=torch.float64), torch.tensor([14.5])])
def test_losses_and_the_first_scale_are_told(scale: Any) -> None:
    told = step_facts(LOSSES, [object(), Scaled(scale), Scaled(3.0)], Pace(), device=torch.device("cpu"), **KNOWN)
    assert (told.loss, told.losses) == (3.0, {"a.one": 1.0, "b.two": 2.0})
    assert told.scale == pytest.approx(float(scale))
    assert told.memory > 0


def test_an_objective_without_a_scale_or_with_another_thing_of_that_name_ends_nothing() -> None:
    assert step_facts(LOSSES, [object()], Pace(), device=torch.device("cpu"), **KNOWN).scale is None
    told = step_facts(LOSSES, [Scaled("large")], Pace(), device=torch.device("cpu"), **KNOWN)
    assert told.scale is not None and isnan(told.scale)
