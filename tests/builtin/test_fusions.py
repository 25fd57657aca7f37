"""`alpha-conv`, `multiply` and `none` at a stem."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import conv2d

from fdakit import Shapes, StemConvolution
from fdakit.builtin.fusions.alpha_conv import ALPHA_CONV
from fdakit.builtin.fusions.multiply import MULTIPLY
from fdakit.builtin.fusions.none import NONE
from fdakit.testing import ExampleStem, build_part, check_fusion

STEM = ExampleStem()
SHAPES = Shapes(stem=STEM.convolutions)


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 3, 32, 32, generator=generator), torch.rand(3, 1, 32, 32, generator=generator)


def test_the_contracts_laws_hold() -> None:
    for alpha in (0.0, 0.3, 0.5, 1.0):
        check_fusion(ALPHA_CONV, neutral=alpha)
        check_fusion(NONE, neutral=alpha)
    check_fusion(MULTIPLY, neutral=1.0)
    check_fusion(MULTIPLY, neutral=1.0, floor=0.25)


def test_alpha_conv_adds_a_convolution_of_the_normalised_alpha() -> None:
    rgb, alpha = drawn()
    fusion = build_part(ALPHA_CONV, SHAPES)
    (weight,) = fusion.parameters()
    assert weight.shape == (8, 1, 8, 8)
    assert (weight == 0).all()
    with torch.no_grad():
        weight.normal_()
    expected = STEM(rgb)[0] + conv2d((alpha - 0.5) / 0.26, weight, stride=8)
    torch.testing.assert_close(fusion(rgb, alpha, STEM).features[0], expected)


def test_alpha_conv_puts_0_and_1_where_alpha_clip_learned_them() -> None:
    rgb, _ = drawn()
    fusion = build_part(ALPHA_CONV, SHAPES)
    (weight,) = fusion.parameters()
    torch.nn.init.constant_(weight, 1 / 64)
    for alpha, level in ((0.0, -1.923077), (1.0, 1.923077), (0.5, 0.0)):
        added = fusion(rgb, torch.full((3, 1, 32, 32), alpha), STEM).features[0] - STEM(rgb)[0]
        torch.testing.assert_close(added, torch.full_like(added, level), atol=1e-5, rtol=0)
    other = build_part(ALPHA_CONV, SHAPES, mean=0.0, std=1.0)
    other.load_state_dict(fusion.state_dict())
    added = other(rgb, torch.ones(3, 1, 32, 32), STEM).features[0] - STEM(rgb)[0]
    torch.testing.assert_close(added, torch.ones_like(added), atol=1e-5, rtol=0)


def test_alpha_conv_stands_beside_every_convolution_of_the_stem() -> None:
    stem = (
        StemConvolution("stem.0", 4, (3, 3), (2, 2), (1, 1)),
        StemConvolution("stem.1", 6, (1, 1), (2, 2), (0, 0)),
        StemConvolution("stem.2", 5, (3, 3), (1, 1), "same"),
        StemConvolution("stem.3", 2, (3, 3), (1, 1), (0, 0), (2, 2)),
    )
    kernels = [torch.randn(c.channels, 3, *c.kernel) for c in stem]

    def maps(rgb: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(
            conv2d(rgb, k, stride=c.stride, padding=c.padding, dilation=c.dilation)
            for c, k in zip(stem, kernels, strict=True)
        )

    fusion: Any = build_part(ALPHA_CONV, Shapes(stem=stem))
    rgb, alpha = drawn()
    fused = fusion(rgb, alpha, maps)
    assert [m.shape for m in fused.features] == [m.shape for m in maps(rgb)]


def test_multiply_leaves_the_mean_colour_where_alpha_is_0() -> None:
    rgb, _ = drawn()
    alpha = torch.zeros(3, 1, 32, 32)
    alpha[..., :8, :] = 1
    found = build_part(MULTIPLY)(rgb, alpha, STEM).features[0]
    assert torch.equal(found[:, :, 0], STEM(rgb)[0][:, :, 0])
    assert (found[:, :, 1:] == 0).all()
    half = build_part(MULTIPLY, floor=0.25)(rgb, alpha, STEM).features[0]
    torch.testing.assert_close(half[:, :, 1:], 0.25 * STEM(rgb)[0][:, :, 1:])


def test_none_never_looks_at_alpha() -> None:
    rgb, _ = drawn()
    found = build_part(NONE)(rgb, torch.full((3, 1, 32, 32), torch.nan), STEM)
    assert torch.equal(found.features[0], STEM(rgb)[0])


@pytest.mark.parametrize("component", [ALPHA_CONV, MULTIPLY])
def test_gradient_reaches_the_picture_and_its_alpha(component: Any) -> None:
    fusion = build_part(component, SHAPES)
    if isinstance(fusion, torch.nn.Module):
        for weight in fusion.parameters():
            torch.nn.init.normal_(weight)
    rgb, alpha = (value.requires_grad_() for value in drawn())
    fusion(rgb, alpha, STEM).features[0].sum().backward()
    assert rgb.grad is not None
    assert alpha.grad is not None
    assert rgb.grad.abs().sum() > 0
    assert alpha.grad.abs().sum() > 0
