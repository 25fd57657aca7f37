"""`adamw`: a restated step, and what never decays."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fdakit.builtin.optimisers.adamw import ADAMW
from fdakit.testing import build_part


def groups(weight: torch.Tensor, bias: torch.Tensor) -> list[dict[str, Any]]:
    return [
        {"params": [weight], "lr": 1e-2, "decays": True},
        {"params": [bias], "lr": 1e-3, "decays": False},
    ]


@pytest.mark.parametrize("decay", [0.2, 0.0])
def test_steps_equal_the_formula_and_only_the_decaying_group_decays(decay: float) -> None:
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(4, 3, generator=generator), torch.randn(4, generator=generator)
    told = {0: weight.double(), 1: bias.double()}
    first, second = ({k: torch.zeros_like(v) for k, v in told.items()} for _ in range(2))
    weight.requires_grad_(), bias.requires_grad_()
    optimiser = build_part(ADAMW, weight_decay=decay)(groups(weight, bias))
    for step in range(1, 6):
        for k, (value, rate, shrinks) in enumerate(((weight, 1e-2, decay), (bias, 1e-3, 0.0))):
            value.grad = torch.randn(value.shape, generator=generator)
            gradient = value.grad.double()
            first[k] = 0.9 * first[k] + 0.1 * gradient
            second[k] = 0.98 * second[k] + 0.02 * gradient**2
            moved = first[k] / (1 - 0.9**step) / ((second[k] / (1 - 0.98**step)).sqrt() + 1e-6)
            told[k] = told[k] * (1 - rate * shrinks) - rate * moved
        optimiser.step()
        torch.testing.assert_close(weight.double(), told[0], atol=1e-6, rtol=1e-5, check_dtype=False)
        torch.testing.assert_close(bias.double(), told[1], atol=1e-6, rtol=1e-5, check_dtype=False)


def test_every_group_keeps_the_rate_it_came_with() -> None:
    weight, bias = torch.zeros(2, 2, requires_grad=True), torch.zeros(2, requires_grad=True)
    optimiser = build_part(ADAMW, beta1=0.5, beta2=0.6, eps=1e-3)(groups(weight, bias))
    assert [g["lr"] for g in optimiser.param_groups] == [1e-2, 1e-3]
    assert [g["weight_decay"] for g in optimiser.param_groups] == [0.2, 0.0]
    assert all(g["betas"] == (0.5, 0.6) and g["eps"] == 1e-3 for g in optimiser.param_groups)
