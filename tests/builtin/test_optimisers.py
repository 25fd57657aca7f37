"""`adamw`: a restated step, and what never decays; `timm`: every optimiser it lists, and what each refuses."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from timm.optim import get_optimizer_info, list_optimizers

from fdakit import RecipeError
from fdakit.builtin.optimisers.adamw import ADAMW
from fdakit.builtin.optimisers.timm import TIMM
from fdakit.testing.building import build_part


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


def same_groups(weight: torch.Tensor, bias: torch.Tensor) -> list[dict[str, Any]]:
    return groups(weight.clone().requires_grad_(), bias.clone().requires_grad_())


def test_timms_adamw_steps_as_our_own_does() -> None:
    generator = torch.Generator().manual_seed(1)
    weight, bias = torch.randn(4, 3, generator=generator), torch.randn(4, generator=generator)
    ended = []
    for part, options in ((ADAMW, {}), (TIMM, {"name": "adamw"})):
        made = same_groups(weight, bias)
        constants = {"weight_decay": 0.2, "beta1": 0.9, "beta2": 0.98, "eps": 1e-6}
        optimiser = build_part(part, **options, **constants)(made)
        for step in range(4):
            for value in (made[0]["params"][0], made[1]["params"][0]):
                value.grad = torch.full_like(value, 0.1 * (step - 1)) + value.detach() * 0.3
            optimiser.step()
        ended.append([made[0]["params"][0].detach(), made[1]["params"][0].detach()])
    for ours, timms in zip(*ended, strict=True):
        torch.testing.assert_close(ours, timms, atol=1e-7, rtol=1e-6)


def here(name: str) -> bool:
    """Whether it can be had on any machine: apex and bitsandbytes need a GPU and more packages."""
    kind = get_optimizer_info(name).opt_class
    return not (isinstance(kind, str) and kind.startswith(("apex", "bitsandbytes")))


NAMES = [name for name in list_optimizers() if here(name) and not get_optimizer_info(name).second_order]


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:It is highly recommended")
@pytest.mark.parametrize("name", NAMES)
def test_every_optimiser_of_timm_keeps_groups_and_goes_on_from_its_state(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(4, 3, generator=generator), torch.randn(4, generator=generator)
    made = same_groups(weight, bias)
    optimiser = build_part(TIMM, name=name, weight_decay=0.01)(made)
    assert [group["lr"] for group in optimiser.param_groups] == [1e-2, 1e-3]
    assert [group["weight_decay"] for group in optimiser.param_groups] == [0.01, 0.0]
    for _ in range(2):
        sum(group["params"][0].square().sum() for group in made).backward()
        optimiser.step()
        optimiser.zero_grad()
    for group, before in zip(made, (weight, bias), strict=True):
        assert bool(torch.isfinite(group["params"][0]).all())
        assert not torch.equal(group["params"][0].detach(), before)
    file = io.BytesIO()
    torch.save(optimiser.state_dict(), file)
    file.seek(0)
    build_part(TIMM, name=name)(same_groups(weight, bias)).load_state_dict(torch.load(file, weights_only=True))


def test_options_of_timms_optimisers_reach_them_and_others_stay_timms_own() -> None:
    weight, bias = torch.zeros(2, 2), torch.zeros(2)

    def made(**options: Any) -> dict[str, Any]:
        return build_part(TIMM, **options)(same_groups(weight, bias)).param_groups[0]

    assert made(name="sgd", momentum=0.5)["momentum"] == 0.5
    assert made(name="sgd")["momentum"] == 0.9
    assert made(name="lion", beta2=0.5)["betas"] == (0.9, 0.5)
    assert made(name="adan", beta1=0.5)["betas"] == (0.5, 0.92, 0.99)
    assert made(name="cadafactor", beta1=0.5)["beta1"] == 0.5  # it keeps the first of its betas only
    assert made(name="adamw", eps=1e-3)["eps"] == 1e-3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "loin"}, r"optimiser\.name: timm has no optimiser 'loin'; near it: .*lion"),
        ({"name": "adamww"}, r"no optimiser 'adamww'; near it: [a-z_]+, [a-z_]+, [a-z_]+$"),
        ({"name": "adahessian"}, r"optimiser\.name: 'adahessian' needs second derivatives"),
        ({"name": "adamw", "momentum": 0.9}, r"optimiser\.momentum: 'adamw' takes none; leave it out"),
        ({"name": "sgd", "beta1": 0.9, "eps": 1e-8}, r"optimiser\.beta1: 'sgd' takes none.*\noptimiser\.eps: 'sgd'"),
        ({"name": "adafactor", "beta1": 0.9}, r"optimiser: 'adafactor' has no betas of its own; set both"),
    ],
)
def test_what_an_optimiser_of_timm_does_not_know_is_said_while_it_is_built(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        build_part(TIMM, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU it may be had")
def test_an_optimiser_that_cannot_be_had_here_says_why() -> None:
    with pytest.raises(RecipeError, match=r"optimiser\.name: 'bnbadamw' cannot be had here \(CUDA required"):
        build_part(TIMM, name="bnbadamw")
