"""Every fusion of fdakit's own at a stem."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import conv2d

from fdakit import PluginError
from fdakit.builtin.fusions._motion_tokens import spread_order
from fdakit.builtin.fusions.alpha_conv import ALPHA_CONV
from fdakit.builtin.fusions.attention_bias import ATTENTION_BIAS
from fdakit.builtin.fusions.blur_background import BLUR_BACKGROUND
from fdakit.builtin.fusions.gated import GATED
from fdakit.builtin.fusions.motion_tokens import MOTION_TOKENS
from fdakit.builtin.fusions.multiply import MULTIPLY
from fdakit.builtin.fusions.none import NONE
from fdakit.plugin import BuildContext, Fused, StemConvolution
from fdakit.testing.building import build_part
from fdakit.testing.towers import ExampleStem, check_fusion

STEM = ExampleStem()
SOFT_MULTIPLY = (MULTIPLY, {"hard": False})
SHAPES = BuildContext(image_size=32, grid=(4, 4), prefix_tokens=1, layers=3, heads=1, stem=STEM.convolutions)


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 3, 32, 32, generator=generator), torch.rand(3, 1, 32, 32, generator=generator)


def test_the_contracts_laws_hold() -> None:
    for alpha in (0.0, 0.3, 0.5, 1.0):
        check_fusion(ALPHA_CONV, neutral=alpha)
        check_fusion(NONE, neutral=alpha)
        check_fusion(GATED, neutral=alpha)
        check_fusion(ATTENTION_BIAS, neutral=alpha, last_blocks=1)
        check_fusion(MOTION_TOKENS, neutral=alpha, keep_tokens=3)
    check_fusion(MULTIPLY, neutral=1.0)
    check_fusion(MULTIPLY, neutral=1.0, floor=0.25)
    check_fusion(MULTIPLY, neutral=1.0, hard=False)
    check_fusion(BLUR_BACKGROUND, neutral=1.0)


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


@pytest.mark.parametrize("part", [ALPHA_CONV, GATED, MOTION_TOKENS], ids=lambda part: part.name)
def test_mean_and_std_are_those_of_the_options(part: Any) -> None:
    rgb, alpha = drawn()
    for mean, std in ((0.0, 1.0), (0.25, 2.0), (0.75, 0.5)):
        fusion = build_part(part, SHAPES, mean=mean, std=std)
        weight = next(value for value in fusion.parameters() if value.ndim == 4)
        if part is GATED:
            torch.nn.init.ones_(fusion.gate)
        torch.nn.init.normal_(weight)
        expected = STEM(rgb)[0] + conv2d((alpha - mean) / std, weight, stride=8)
        torch.testing.assert_close(fusion(rgb, alpha, STEM).features[0], expected)


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

    fusion: Any = build_part(ALPHA_CONV, BuildContext(stem=stem))
    rgb, alpha = drawn()
    fused = fusion(rgb, alpha, maps)
    assert [m.shape for m in fused.features] == [m.shape for m in maps(rgb)]


def test_multiply_leaves_the_mean_colour_where_alpha_is_0() -> None:
    rgb, _ = drawn()
    alpha = torch.zeros(3, 1, 32, 32)
    alpha[..., :8, :] = 1
    found = build_part(MULTIPLY)(rgb, alpha, STEM).pixels
    assert torch.equal(found[:, :, :8], rgb[:, :, :8])
    assert (found[:, :, 8:] == 0).all()
    half = build_part(MULTIPLY, floor=0.25)(rgb, alpha, STEM).pixels
    torch.testing.assert_close(half[:, :, 8:], 0.25 * rgb[:, :, 8:])


def test_none_never_looks_at_alpha() -> None:
    rgb, _ = drawn()
    found = build_part(NONE)(rgb, torch.full((3, 1, 32, 32), torch.nan), STEM)
    assert found == Fused()


def test_multiply_takes_alpha_as_yes_or_no_unless_told() -> None:
    rgb, alpha = drawn()
    hard = build_part(MULTIPLY)(rgb, alpha, STEM).pixels
    assert torch.equal(hard, rgb * (alpha >= 0.5))
    level = torch.full_like(alpha, 0.5)  # what the control zero fills in counts as marked
    assert torch.equal(build_part(MULTIPLY)(rgb, level, STEM).pixels, rgb)
    under = build_part(MULTIPLY)(rgb, torch.nextafter(level, level - 1), STEM).pixels
    assert not under.any()
    soft = build_part(MULTIPLY, hard=False)(rgb, alpha, STEM).pixels
    torch.testing.assert_close(soft, rgb * alpha)


def test_a_gate_starts_closed_and_its_gradient_opens_it() -> None:
    rgb, alpha = drawn()
    fusion = build_part(GATED, SHAPES)
    assert torch.equal(fusion(rgb, alpha, STEM).features[0], STEM(rgb)[0])
    fusion(rgb, alpha, STEM).features[0].square().sum().backward()
    assert fusion.gate.grad.abs() > 0
    with torch.no_grad():
        fusion.gate.fill_(0.5)
    (weight,) = (w for w in fusion.parameters() if w.ndim == 4)
    expected = STEM(rgb)[0] + 0.5 * conv2d((alpha - 0.5) / 0.26, weight, stride=8)
    torch.testing.assert_close(fusion(rgb, alpha, STEM).features[0], expected)


@pytest.mark.parametrize(("options", "gate"), [({}, 1.0), ({"initial": 0.25}, 0.25), ({"initial": 0.0}, 0.0)])
def test_a_gate_before_alpha_clips_weights_starts_open_unless_told(options: dict[str, Any], gate: float) -> None:
    class AlphaClip:
        alpha_weights = (torch.full((8, 1, 8, 8), 0.125),)

    fusion = build_part(GATED, SHAPES, **options)
    fusion.start_from(AlphaClip())
    assert float(fusion.gate.detach()) == gate
    assert (fusion.convolutions[0].weight == 0.125).all()


def test_blur_background_keeps_what_is_marked_and_blurs_the_rest() -> None:
    rgb, _ = drawn()
    rgb += 2
    alpha = torch.zeros(3, 1, 32, 32)
    alpha[..., :16, :] = 1
    seen = [build_part(BLUR_BACKGROUND, SHAPES, sigma=14.0)(rgb, alpha, STEM).pixels]  # 2 px at 32
    assert torch.equal(seen[0][:, :, :16], rgb[:, :, :16])
    below, before = seen[0][:, :, 16:], rgb[:, :, 16:]
    assert below.std() < before.std() / 3
    assert abs(below.mean() - before.mean()) < 0.05


def test_a_blur_is_scikit_images() -> None:
    from skimage.filters import gaussian

    rgb, _ = drawn()
    seen = [build_part(BLUR_BACKGROUND, SHAPES, sigma=14.0)(rgb, torch.zeros(3, 1, 32, 32), STEM).pixels]
    expected = gaussian(
        rgb[0].permute(1, 2, 0).double().numpy(), sigma=2, truncate=3, mode="nearest", channel_axis=-1
    )
    torch.testing.assert_close(seen[0][0].permute(1, 2, 0).double(), torch.from_numpy(expected), atol=1e-5, rtol=0)


def test_attention_bias_is_the_share_of_a_patch_that_is_marked() -> None:
    rgb, _ = drawn()
    alpha = torch.zeros(3, 1, 32, 32)
    alpha[..., :8, :4] = 1  # half of the first patch
    alpha[..., 8:16, 8:16] = 1  # all of the sixth
    fused = build_part(ATTENTION_BIAS, SHAPES, strength=4.0)(rgb, alpha, STEM)
    assert fused.features is None
    expected = torch.zeros(3, 16)
    expected[:, 0], expected[:, 5] = 2.0, 4.0
    assert torch.equal(fused.attention_bias, expected)


@pytest.mark.parametrize(("options", "first"), [({}, 0), ({"last_blocks": 1}, 2), ({"last_blocks": 3}, 0)])
def test_attention_bias_works_in_the_last_blocks_it_is_told(options: dict[str, int], first: int) -> None:
    assert build_part(ATTENTION_BIAS, SHAPES, **options)(*drawn(), STEM).bias_from == first


def test_attention_bias_trains_its_strength_or_not() -> None:
    assert [w.requires_grad for w in build_part(ATTENTION_BIAS, SHAPES).parameters()] == [True]
    assert [w.requires_grad for w in build_part(ATTENTION_BIAS, SHAPES, learn=False).parameters()] == [False]


@pytest.mark.parametrize(
    ("component", "options", "words"),
    [
        (ATTENTION_BIAS, {"last_blocks": 4}, "found 4; this encoder has 3 blocks, choose no more"),
        (MOTION_TOKENS, {"keep_tokens": 17}, "found 17; this encoder has 16 patches, choose no more"),
    ],
)
def test_more_than_the_encoder_has_is_refused(component: Any, options: dict[str, int], words: str) -> None:
    with pytest.raises(PluginError, match=words):
        build_part(component, SHAPES, **options)


@pytest.mark.parametrize("component", [ATTENTION_BIAS, MOTION_TOKENS])
def test_an_encoder_without_blocks_is_refused_when_the_fusion_is_built(component: Any) -> None:
    with pytest.raises(PluginError, match=r"this encoder has none; choose an encoder of ViT or EVA kind"):
        build_part(component, BuildContext(image_size=32, grid=(4, 4), stem=STEM.convolutions))


def test_motion_tokens_keeps_the_patches_that_the_mask_touches() -> None:
    fusion = build_part(MOTION_TOKENS, SHAPES, keep_tokens=4, spread_share=0.0)
    alpha = torch.zeros(2, 1, 32, 32)
    alpha[0, 0, :8, :8] = 1  # patch 0
    alpha[0, 0, 24:, 16:] = 1  # patches 14, 15
    alpha[0, 0, 9, 9] = 1  # a single pixel in patch 5
    alpha[1, 0, :16, :16] = 1  # patches 0, 1, 4, 5
    assert fusion.choose(alpha).tolist() == [[0, 5, 14, 15], [0, 1, 4, 5]]


def test_motion_tokens_prefers_patches_with_more_of_the_mask() -> None:
    fusion = build_part(MOTION_TOKENS, SHAPES, keep_tokens=2, spread_share=0.0)
    alpha = torch.zeros(1, 1, 32, 32)
    for patch, pixels in ((3, 2), (7, 8), (9, 5)):
        row, column = divmod(patch, 4)
        alpha[0, 0, row * 8, column * 8 : column * 8 + pixels] = 1
    assert fusion.choose(alpha).tolist() == [[7, 9]]


def test_motion_tokens_spreads_what_no_mask_claims() -> None:
    fusion = build_part(MOTION_TOKENS, SHAPES, keep_tokens=4)
    for level in (0.0, 1.0):
        (kept,) = fusion.choose(torch.full((1, 1, 32, 32), level)).tolist()
        assert {(k // 4 // 2, k % 4 // 2) for k in kept} == {(0, 0), (0, 1), (1, 0), (1, 1)}  # one a quarter


def test_motion_tokens_keeps_some_patches_whatever_moves() -> None:
    fusion = build_part(MOTION_TOKENS, SHAPES, keep_tokens=5, spread_share=0.4)
    always = set(fusion.choose(torch.zeros(1, 1, 32, 32))[0].tolist())
    alpha = torch.zeros(1, 1, 32, 32)
    alpha[..., :8, :] = 1
    (kept,) = fusion.choose(alpha).tolist()
    assert len(set(kept) & always) >= 2
    assert len(kept) == 5
    assert len(set(kept) & {0, 1, 2, 3}) >= 3


@pytest.mark.parametrize(("share", "spread"), [(0.0, 0), (0.2, 2), (0.25, 2), (0.5, 4), (0.75, 6), (1.0, 8)])
def test_spread_share_is_the_share_of_kept_patches_that_no_mask_chose(share: float, spread: int) -> None:
    fusion = build_part(MOTION_TOKENS, SHAPES, keep_tokens=8, spread_share=share)
    evenly = fusion.choose(torch.zeros(1, 1, 32, 32))[0].tolist()  # where nothing moves, all lie evenly
    order = [patch for patch in fusion.get_buffer("_order").tolist() if patch in evenly]
    moving = [patch for patch in range(16) if patch not in evenly]  # eight patches, none of those
    alpha = torch.zeros(1, 1, 32, 32)
    for patch in moving:
        row, column = divmod(patch, 4)
        alpha[0, 0, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 1
    kept = fusion.choose(alpha)[0].tolist()
    assert sorted(set(kept) & set(evenly)) == sorted(order[:spread])
    assert len(set(kept) & set(moving)) == 8 - spread


@pytest.mark.parametrize(
    ("options", "kept"), [({}, 5), ({"keep_share": 0.5}, 8), ({"keep_share": 0.01}, 1), ({"keep_tokens": 7}, 7)]
)
def test_motion_tokens_keeps_as_many_as_its_options_say(options: dict[str, float], kept: int) -> None:
    fused = build_part(MOTION_TOKENS, SHAPES, **options)(*drawn(), STEM)
    assert fused.keep.shape == (3, kept)


@pytest.mark.parametrize("grid", [(2, 8), (8, 2), (1, 16)])
def test_motion_tokens_counts_patches_of_grids_that_are_not_square(grid: tuple[int, int]) -> None:
    shapes = replace(SHAPES, grid=grid)
    fusion = build_part(MOTION_TOKENS, shapes, keep_share=0.5, spread_share=0.0)
    alpha = torch.zeros(1, 1, 32, 32)
    alpha[..., :16, :] = 1  # its upper half, or of a single row every patch alike
    kept = fusion.choose(alpha)[0].tolist()
    assert len(kept) == 8
    if grid[0] > 1:
        assert kept == list(range(8))
    with pytest.raises(PluginError, match="found 17; this encoder has 16 patches, choose no more"):
        build_part(MOTION_TOKENS, shapes, keep_tokens=17)
    whole = build_part(MOTION_TOKENS, shapes, keep_tokens=16)
    assert whole.choose(alpha)[0].tolist() == list(range(16))
    assert whole(*drawn(), STEM).keep is None
    assert fusion(*drawn(), STEM).keep.shape == (3, 8)


def test_motion_tokens_that_keep_all_are_alpha_conv() -> None:
    assert build_part(MOTION_TOKENS, SHAPES, keep_share=1.0)(*drawn(), STEM).keep is None


def test_a_share_and_a_number_contradict_each_other() -> None:
    with pytest.raises(ValidationError, match="keep_share or keep_tokens, not both"):
        build_part(MOTION_TOKENS, SHAPES, keep_share=0.3, keep_tokens=4)


@pytest.mark.parametrize("grid", [(1, 1), (2, 3), (4, 4), (7, 7), (14, 14)])
def test_every_beginning_of_the_spread_order_covers_the_frame(grid: tuple[int, int]) -> None:
    order = spread_order(grid)
    rows, columns = grid
    assert sorted(order.tolist()) == list(range(rows * columns))
    for count in (4, 16, 49):
        if count > rows * columns // 2:
            break
        y, x = order[:count] // columns, order[:count] % columns
        gaps = (y[:, None] - y).abs() + (x[:, None] - x).abs() + 99 * torch.eye(count)
        assert gaps.min() >= (rows * columns / count) ** 0.5 / 2


@pytest.mark.parametrize("component", [ALPHA_CONV, GATED, BLUR_BACKGROUND, SOFT_MULTIPLY])
def test_gradient_reaches_the_picture_and_its_alpha(component: Any) -> None:
    component, options = component if isinstance(component, tuple) else (component, {})
    fusion = build_part(component, SHAPES, **options)
    if isinstance(fusion, torch.nn.Module):
        for weight in fusion.parameters():
            torch.nn.init.normal_(weight)
    rgb, alpha = (value.requires_grad_() for value in drawn())
    fused = fusion(rgb, alpha, STEM)
    changed = fused.pixels if fused.features is None else fused.features[0]
    changed.sum().backward()
    assert rgb.grad is not None
    assert alpha.grad is not None
    assert rgb.grad.abs().sum() > 0
    assert alpha.grad.abs().sum() > 0
