"""Alpha on every family of visual towers that open_clip lists: a neutral start, and a gradient that arrives."""

from __future__ import annotations

import re
from typing import Any

import open_clip
import pytest
import torch
from helpers.clip_batches import clip_batch

from fdakit.builtin.encoders.open_clip import OPEN_CLIP
from fdakit.builtin.fusions.alpha_conv import ALPHA_CONV
from fdakit.plugin import Fused
from fdakit.testing.building import build_part

SMALLEST = {
    "vit": "ViT-B-32",
    "resnet": "RN50",
    "timm vit": "PE-Core-T-16-384",
    "timm convnext": "convnext_base",
    "timm eva": "EVA01-g-14",
    "timm eva02": "EVA02-B-16",
    "timm fastvit": "MobileCLIP-S1",
    "timm swin": "swin_base_patch4_window7_224",
    "timm vitamin": "ViTamin-S",
}
TOO_LARGE = {"EVA01-g-14"}  # a thousand million weights: a minute and 10 GB


def family(name: str) -> str:
    """The kind of visual tower of an open_clip model, from its configuration."""
    vision = open_clip.get_model_config(name)["vision_cfg"]
    timm_name = vision.get("timm_model_name")
    if timm_name:
        return "timm " + re.match(r"[a-z]+(02)?", timm_name)[0]  # type: ignore[index]
    return "resnet" if isinstance(vision.get("layers"), list) else "vit"


def test_every_family_that_open_clip_lists_is_tried() -> None:
    assert {family(name) for name in open_clip.list_models()} == set(SMALLEST)
    assert {name: family(model) for name, model in SMALLEST.items()} == {name: name for name in SMALLEST}


@pytest.mark.integration
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.proof) if n in TOO_LARGE else n for n in SMALLEST.values()]
)
def test_a_fresh_alpha_changes_nothing_and_learns(name: str) -> None:
    encoder = build_part(OPEN_CLIP, model=name).eval()
    fusion = build_part(ALPHA_CONV, encoder.shapes)
    size = encoder.preprocess.size
    rgb, alpha = torch.randn(2, 1, 3, size, size), torch.rand(2, 1, size, size)
    valid = torch.ones(2, 1, dtype=torch.bool)

    def encode(mask: torch.Tensor) -> torch.Tensor:
        def fuse(pixels: torch.Tensor, stem: Any) -> Fused:
            fused: Fused = fusion(pixels, mask, stem)
            return fused

        vectors: torch.Tensor = encoder.encode_videos(clip_batch(rgb, valid), fuse).vectors[:, 0]
        return vectors

    with torch.no_grad():
        plain = encoder.clip.encode_image(rgb[:, 0])
        assert torch.equal(encode(alpha), plain)
        for convolution in fusion.convolutions:
            torch.nn.init.normal_(convolution.weight, std=0.02)
        assert torch.equal(encode(torch.full_like(alpha, 0.5)), plain)
        assert not torch.equal(encode(alpha), plain)
    encode(alpha).sum().backward()
    for convolution in fusion.convolutions:
        assert convolution.weight.grad is not None
        assert bool(convolution.weight.grad.abs().sum() > 0)


@pytest.mark.integration
def test_a_towers_own_context_cuts_captions() -> None:
    encoder = build_part(OPEN_CLIP, model=SMALLEST["timm vit"])
    tokens = encoder.text_tokeniser()([" ".join(["dog"] * 30), " ".join(["dog"] * 31)])
    assert tokens["ids"].shape == (2, 32)
    assert tokens["cut"].tolist() == [False, True]
