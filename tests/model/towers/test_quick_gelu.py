"""QuickGELU with less kept: open_clip's own values and gradients, to the bit."""

from __future__ import annotations

import pytest
import torch
from open_clip.transformer import QuickGELU
from torch import nn

from fdakit.model.towers.quick_gelu import LeanQuickGELU, keep_less


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_values_and_gradients_are_open_clips_to_the_bit(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    given, grad = (torch.randn(40, 30, generator=generator).mul(4).to(dtype) for _ in range(2))
    found = []
    for module in (QuickGELU(), LeanQuickGELU()):
        x = given.clone().requires_grad_()
        y = module(x)
        y.backward(grad)
        found.append((y.detach(), x.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_the_input_alone_is_kept() -> None:
    x, kept = torch.randn(5, requires_grad=True), []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor
    ):
        LeanQuickGELU()(x)
    assert [tensor.data_ptr() for tensor in kept] == [x.data_ptr()]


def test_second_derivatives_are_right() -> None:
    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(LeanQuickGELU(), x)


def test_only_open_clips_own_are_replaced_and_no_name_changes() -> None:
    class Other(QuickGELU):
        """A subclass may compute otherwise."""

    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), QuickGELU()), Other(), nn.GELU()).eval()
    names = list(dict(model.named_modules()))
    keep_less(model)
    assert [type(part) for part in (model[0][1], model[1], model[2])] == [LeanQuickGELU, Other, nn.GELU]
    assert list(dict(model.named_modules())) == names
    assert not any(module.training for module in model.modules())
