"""Small random vision towers of every build that open_clip makes, for what must hold of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from open_clip import CLIP, CLIPTextCfg, CLIPVisionCfg
from open_clip.timm_model import TimmModel
from timm.layers import HybridEmbed
from timm.models.convnext import ConvNeXt
from timm.models.eva import Eva
from timm.models.vision_transformer import ParallelThingsBlock, ResPostBlock, VisionTransformer
from torch import nn

SIZE = 32
_SIZES = {"img_size": SIZE, "patch_size": 8, "embed_dim": 64, "depth": 2, "num_heads": 2, "num_classes": 32}
_TEXT = CLIPTextCfg(context_length=12, width=32, heads=2, layers=1)


def own(**settings: Any) -> Callable[[], nn.Module]:
    """One of open_clip's own towers: its ViT, or with several `layers` its ResNet."""
    sizes = {"image_size": SIZE, "patch_size": 8, "width": 64, "head_width": 32, "layers": 2, **settings}

    def make() -> nn.Module:
        return CLIP(embed_dim=64, vision_cfg=CLIPVisionCfg(**sizes), text_cfg=_TEXT).visual

    return make


def wrapped(trunk: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """A trunk of timm's inside open_clip's adapter."""

    def make() -> nn.Module:
        visual = TimmModel("test_vit", embed_dim=32, image_size=SIZE)
        visual.trunk, visual.head = trunk(), nn.Sequential()
        return visual

    return make


def vit(**settings: Any) -> Callable[[], nn.Module]:
    return wrapped(lambda: VisionTransformer(**{**_SIZES, **settings}))


def eva(**settings: Any) -> Callable[[], nn.Module]:
    return wrapped(lambda: Eva(**{**_SIZES, "use_rot_pos_emb": True, **settings}))


def behind_convolutions(**settings: Any) -> nn.Module:
    """A patch embedding behind two convolutions, as in MobileCLIP and ViTamin."""
    sizes = {name: settings[name] for name in ("img_size", "in_chans", "embed_dim")}
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.GELU(), nn.Conv2d(8, 16, 3, 2, 1))
    return HybridEmbed(layers, **sizes)


class Subclass(VisionTransformer):
    """A class of somebody else's, whose forward pass may differ."""

    def forward_features(self, x: torch.Tensor, **named: Any) -> torch.Tensor:
        return super().forward_features(x, **named) * 2


class LinearPatches(nn.Module):
    """A tower without a convolution: patches are cut and projected linearly."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(3 * 64, 32)

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        patches = rgb.unfold(2, 8, 8).unfold(3, 8, 8).flatten(2, 3).permute(0, 2, 1, 3, 4).flatten(2)
        return self.project(patches).tanh().mean(1)


STEERED: Mapping[str, Callable[[], nn.Module]] = {
    "own": own(),
    "own, layer scale": own(ls_init_value=0.1),
    "own, mean": own(pool_type="avg", no_ln_pre=True),
    "own, last norm after pooling": own(final_ln_after_pool=True, pos_embed_type="sin_cos_2d"),
    "own, attention pool of CoCa": own(attentional_pool=True, attn_pooler_heads=2, output_tokens=True),
    "own, two attention pools": own(attentional_pool="parallel", attn_pooler_heads=2),
    "own, custom blocks": own(qk_norm=True, scale_attn=True, scale_fc=True, scale_heads=True),
    "own, patch dropout": own(patch_dropout=0.5),
    "vit": vit(),
    "vit, attention pool": vit(global_pool="map", class_token=False),
    "vit, registers": vit(global_pool="avg", reg_tokens=3, no_embed_class=True, qk_norm=True, init_values=0.1),
    "vit, post norm": vit(block_fn=ResPostBlock, pre_norm=True),
    "vit, patch dropout": vit(patch_drop_rate=0.5),
    "vit, convolutions": vit(embed_layer=behind_convolutions),
    "eva": eva(),
    "eva, post norm": eva(use_post_norm=True),
    "eva, registers": eva(attn_type="rope", num_reg_tokens=2, no_embed_class=True, global_pool="map"),
    "eva, rotary mixed": eva(attn_type="rope", rope_type="mixed", use_abs_pos_emb=False),
    "eva, patch dropout": eva(patch_drop_rate=0.5),
}
"""Towers whose steps are known, by what is particular to them."""

OTHERS: Mapping[str, Callable[[], nn.Module]] = {
    "resnet": own(layers=(1, 1, 1, 1), width=8),
    "narrow resnet": own(layers=(1, 1, 1, 1), width=6),
    "convnext": wrapped(lambda: ConvNeXt(depths=(1, 1, 1, 1), dims=(8, 8, 16, 16), num_classes=32)),
    "vit, other blocks": vit(block_fn=ParallelThingsBlock),
    "vit, any size": vit(dynamic_img_size=True),
    "vit, a subclass": wrapped(lambda: Subclass(**_SIZES)),
    "linear patches": LinearPatches,
}
"""Towers that run their own forward pass."""


def make_tower(name: str) -> nn.Module:
    """A tower of that name in evaluation mode, noise added to its weights, so that none is neutral."""
    torch.manual_seed(7)
    tower = {**STEERED, **OTHERS}[name]().eval()
    with torch.no_grad():
        for weight in tower.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    return tower
