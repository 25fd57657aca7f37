"""Weights of fdakit and of the release: what is read of them, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from fdakit_prompt_switch import CAPTIONING, PROMPT_SWITCH, PROMPT_SWITCH_TINY
from safetensors.torch import save_file

from fdakit.builtin.encoders.open_clip import OPEN_CLIP
from fdakit.plugin import BuildContext, CheckpointError
from fdakit.testing import build_part


def test_weights_bring_their_prompts_and_those_of_another_size_are_refused(small_model: str, tmp_path: Path) -> None:
    shapes = BuildContext(pretrained=False)
    first = build_part(PROMPT_SWITCH, shapes, model=small_model, prompts=3)
    path = tmp_path / "trained.safetensors"
    save_file({f"encoder.{name}": value for name, value in first.state_dict().items()}, path)
    again = build_part(PROMPT_SWITCH, model=small_model, prompts=3, pretrained=str(path))
    for name, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    with pytest.raises(
        CheckpointError, match=r"has 3 prompts a frame, and encoder\.prompts is 2; set encoder\.prompts"
    ):
        build_part(PROMPT_SWITCH, model=small_model, prompts=2, pretrained=str(path))
    with pytest.warns(UserWarning, match=r"more than two towers: encoder\.cube\.\S+, .* cannot be used here"):
        build_part(OPEN_CLIP, model=small_model, pretrained=str(path))


RELEASED = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre": "vision_model.pre_layrnorm",
    "visual.ln_post": "vision_model.post_layernorm",
    "visual.transformer.resblocks": "vision_model.encoder.layers",
    "visual.proj": "visual_projection.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final": "text_model.final_layer_norm",
    "transformer.resblocks": "text_model.encoder.layers",
    "text_projection": "text_projection.weight",
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def released(encoder: Any) -> dict[str, torch.Tensor]:
    """The weights of an encoder as the release's training saves them."""
    found = {f"clip.vision_model.attn.{name}": value for name, value in encoder.cube.attention.state_dict().items()}
    found["clip.vision_model.encoder.prompt_embedding"] = encoder.cube.prompts.detach()
    for name, value in encoder.clip.state_dict().items():
        for ours, theirs in RELEASED.items():
            name = re.sub(rf"(?:^|(?<=\.)){re.escape(ours)}(?=\.|$)", theirs, name)
        if ".attn.in_proj_" in name:
            for letter, part in zip("qkv", value.chunk(3), strict=True):
                found["clip." + name.replace("attn.in_proj_", f"self_attn.{letter}_proj.")] = part.clone()
        else:
            found[f"clip.{name}"] = value.T if name.endswith("_projection.weight") else value
    found["clip.text_model.embeddings.position_ids"] = torch.arange(8)[None]
    return found


def test_a_released_checkpoint_is_read_as_any_weights_file_and_one_that_is_not_whole_refused(
    small_model: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    first = build_part(PROMPT_SWITCH, BuildContext(pretrained=False), model=small_model, prompts=3, quick_gelu=True)
    torch.nn.init.normal_(first.cube.attention.out_proj.weight)
    whole, path = released(first), tmp_path / "best.pth"

    def build(state: dict[str, torch.Tensor]) -> Any:
        torch.save(
            {"epoch": 3, "state_dict": state, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-6}]}}, path
        )
        return build_part(PROMPT_SWITCH, model=small_model, prompts=3, quick_gelu=True, pretrained=str(path))

    again = build({**whole, "caption_head.bias": torch.ones(3)})
    for name, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    for gone, said in (
        ("clip.vision_model.encoder.prompt_embedding", "missing prompts"),
        ("clip.vision_model.attn.out_proj.weight", "missing attention.out_proj.weight"),
        ("clip.text_model.encoder.layers.0.self_attn.k_proj.bias", "are not three of one shape"),
        ("clip.vision_model.post_layernorm.weight", "missing visual.ln_post.weight"),
    ):
        with pytest.raises(CheckpointError, match=said):
            build({name: value for name, value in whole.items() if name != gone})
    with pytest.raises(CheckpointError, match=r"set encoder\.quick_gelu = true"):
        build_part(PROMPT_SWITCH, model=small_model, prompts=3, pretrained=str(path))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="it breaks off"):
        build_part(PROMPT_SWITCH, model=small_model, prompts=3, quick_gelu=True, pretrained=str(path))


def test_a_file_without_a_decoder_is_refused(tmp_path: Path) -> None:
    path, sizes = tmp_path / "towers.safetensors", {"width": 64, "layers": 1, "text_layers": 1, "embedding": 64}
    encoder = build_part(PROMPT_SWITCH_TINY, image_size=32, patch=8, context_length=8, **sizes)
    save_file({f"encoder.{name}": value for name, value in encoder.state_dict().items()}, path)
    with pytest.raises(CheckpointError, match=r"holds no decoder of captions; leave out objective\.weights"):
        build_part(CAPTIONING, encoder.shapes, weights=str(path)).start_from(encoder)
