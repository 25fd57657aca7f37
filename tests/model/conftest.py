"""Small random towers of several builds behind fdakit's encoder."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from open_clip import CLIP, CLIPTextCfg, CLIPVisionCfg, SimpleTokenizer

from fdakit.model import ClipEncoder
from fdakit.plugin import BuildContext, Preprocess

TEXT = CLIPTextCfg(context_length=12, width=32, heads=2, layers=1)
VISION = {
    "vit": CLIPVisionCfg(image_size=32, patch_size=8, width=64, head_width=32, layers=2),
    "resnet": CLIPVisionCfg(image_size=64, layers=(1, 1, 1, 1), width=8, head_width=32),
    "fastvit": CLIPVisionCfg(image_size=64, timm_model_name="fastvit_t8", timm_pool="avg"),
}
MakeClip = Callable[[str], CLIP]
MakeEncoder = Callable[..., ClipEncoder]


@pytest.fixture(scope="session")
def make_clip() -> MakeClip:
    """`make_clip(kind)`: an open_clip model of random weights, the same at each call."""

    def make(kind: str) -> CLIP:
        torch.manual_seed(7)
        return CLIP(embed_dim=32, vision_cfg=VISION[kind], text_cfg=TEXT).eval()

    return make


@pytest.fixture(scope="session")
def make_encoder(make_clip: MakeClip) -> MakeEncoder:
    """`make_encoder(kind, max_tokens=None)`: such a model as an encoder."""
    tokenizer = SimpleTokenizer(context_length=TEXT.context_length)

    def make(kind: str, max_tokens: int | None = None) -> ClipEncoder:
        size = VISION[kind].image_size
        preprocess = Preprocess(size=size, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
        return ClipEncoder(
            make_clip(kind), tokenizer=tokenizer, preprocess=preprocess, shapes=BuildContext(), max_tokens=max_tokens
        ).eval()

    return make
