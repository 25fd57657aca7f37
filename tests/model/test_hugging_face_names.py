"""Hugging Face's CLIP under open_clip's names: the same vectors, and faults told by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from fdakit.errors import CheckpointError
from fdakit.model import read_clip_weights
from fdakit.model.hugging_face_names import PROMPTS
from fdakit.model.weight_loading import load_towers

transformers = pytest.importorskip("transformers")

SIDE, WORDS, VOCABULARY = 32, 8, 40


@pytest.fixture(scope="module")
def theirs() -> Any:
    torch.manual_seed(0)
    shared = {"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 1, "num_hidden_layers": 2}
    config = transformers.CLIPConfig(
        vision_config={**shared, "image_size": SIDE, "patch_size": 8, "hidden_act": "quick_gelu"},
        text_config={
            **shared,
            "vocab_size": VOCABULARY,
            "max_position_embeddings": WORDS,
            "hidden_act": "quick_gelu",
            "eos_token_id": VOCABULARY - 1,
        },
        projection_dim=32,
    )
    return transformers.CLIPModel(config).eval()


def ours() -> Any:
    vision = open_clip.CLIPVisionCfg(image_size=SIDE, patch_size=8, width=64, layers=2)
    text = open_clip.CLIPTextCfg(context_length=WORDS, vocab_size=VOCABULARY, width=64, heads=1, layers=2)
    return open_clip.CLIP(32, vision_cfg=vision, text_cfg=text, quick_gelu=True).eval()


def saved(state: dict[str, torch.Tensor], folder: Path, prefix: str = "") -> Path:
    path = folder / "model.safetensors"
    save_file({prefix + name: value.contiguous() for name, value in state.items()}, path)
    return path


@pytest.mark.parametrize("prefix", ["", "clip.", "module.clip."])
def test_its_weights_give_its_vectors(theirs: Any, tmp_path: Path, prefix: str) -> None:
    weights = read_clip_weights(saved(theirs.state_dict(), tmp_path, prefix))
    assert (weights.format, weights.quick_gelu, weights.other) == ("Hugging Face CLIP", None, {})
    clip = ours()
    load_towers(clip, weights, where=tmp_path)
    rgb = torch.randn(2, 3, SIDE, SIDE)
    ids = torch.tensor([[38, 5, 39, 39, 39, 39, 39, 39], [38, 6, 7, 8, 39, 39, 39, 39]])
    with torch.no_grad():
        seen = theirs.visual_projection(theirs.vision_model(rgb).pooler_output)
        read = theirs.text_projection(theirs.text_model(ids).pooler_output)
        torch.testing.assert_close(clip.encode_image(rgb), seen)
        torch.testing.assert_close(clip.encode_text(ids), read)
    torch.testing.assert_close(clip.logit_scale, theirs.logit_scale)


def test_what_belongs_to_no_tower_is_kept_apart_and_prompts_name_the_layout(theirs: Any, tmp_path: Path) -> None:
    more = {
        "vision_model.encoder.prompt_embedding": torch.ones(2, 2, 64),
        "text_model.embeddings.position_ids": torch.ones(1),
    }
    path = saved({**theirs.state_dict(), **more}, tmp_path, "clip.")
    weights = read_clip_weights(path)
    assert (weights.format, weights.quick_gelu) == ("Prompt Switch", True)
    assert list(weights.other) == [PROMPTS]


def test_what_no_tower_takes_of_an_encoder_is_told(theirs: Any, tmp_path: Path) -> None:
    more = {PROMPTS: torch.ones(2, 2, 64), "caption_head.bias": torch.ones(3)}
    weights = read_clip_weights(saved({**theirs.state_dict(), **more}, tmp_path))
    with pytest.warns(UserWarning, match=rf"Prompt Switch weights with more than two towers: {PROMPTS} cannot"):
        load_towers(ours(), weights, where=tmp_path)


def refused(state: dict[str, torch.Tensor], folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_clip_weights(saved(state, folder))
    return str(caught.value)


@pytest.mark.parametrize("given", [(), (torch.ones(3),), (torch.ones(()),)], ids=["absent", "short", "a number"])
def test_a_projection_that_does_not_fit_the_other_two_is_told(
    theirs: Any, tmp_path: Path, given: tuple[torch.Tensor, ...]
) -> None:
    name = "vision_model.encoder.layers.1.self_attn.k_proj.bias"
    state = {key: value for key, value in theirs.state_dict().items() if key != name}
    message = refused(state | dict(zip([name], given, strict=False)), tmp_path)
    assert "'visual.transformer.resblocks.1.attn.in_proj_bias' are not three of one shape; fetch it again" in message


def test_a_tensor_with_and_without_the_prefix_is_told(theirs: Any, tmp_path: Path) -> None:
    state = {f"clip.{name}": value for name, value in theirs.state_dict().items()}
    assert "two of its tensors are 'logit_scale'" in refused(state | {"logit_scale": torch.ones(())}, tmp_path)
