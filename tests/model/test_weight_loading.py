"""Weights that older versions of open_clip wrote, and CoCa's, into today's models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

from fdakit import CheckpointError
from fdakit.model.weight_formats import detect_format
from fdakit.model.weight_loading import load_towers

VISION = {"image_size": 32, "patch_size": 8, "width": 64, "layers": 1}
TEXT = {"context_length": 8, "width": 32, "heads": 2, "layers": 1, "vocab_size": 64}


def coca() -> Any:
    vision = {**VISION, "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True}
    text = {**TEXT, "embed_cls": True, "output_tokens": True}
    return open_clip.CoCa(embed_dim=16, vision_cfg=vision, text_cfg=text, multimodal_cfg=TEXT)


def clip() -> Any:
    return open_clip.CLIP(embed_dim=16, vision_cfg=VISION, text_cfg=TEXT)


@pytest.mark.parametrize("make", [clip, coca])
def test_a_models_own_weights_come_back(make: Any) -> None:
    one, other = make(), make()
    load_towers(other, detect_format(one.state_dict()), where=Path("w.pt"))
    found = other.state_dict()
    for name, value in one.state_dict().items():  # by their bytes, as open_clip leaves some weights of CoCa unset
        assert value.numpy().tobytes() == found[name].numpy().tobytes(), name


def test_a_scale_saved_as_a_row_and_positions_as_numbers_are_taken() -> None:
    one, other = clip(), clip()
    state = one.state_dict()
    state["logit_scale"] = torch.tensor([3.25])
    state["text.transformer.embeddings.position_ids"] = torch.arange(8)[None]
    load_towers(other, detect_format(state), where=Path("w.pt"))
    assert other.logit_scale.shape == ()
    assert other.logit_scale.item() == 3.25
    state["logit_scale"] = torch.tensor([3.25, 1.0])
    with pytest.raises(CheckpointError, match=r"logit_scale is \(2,\), wanted \(\)"):
        load_towers(other, detect_format(state), where=Path("w.pt"))
