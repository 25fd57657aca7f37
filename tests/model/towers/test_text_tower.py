"""Text towers as functions of token ids: open_clip's own vectors bit for bit, and the states of the tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from open_clip import CLIP, CLIPTextCfg, CLIPVisionCfg, CoCa, CustomTextCLIP
from torch import nn

from fdakit.model.towers.text_tower import encode_token_ids, text_blocks, text_positions

VISION = CLIPVisionCfg(image_size=32, patch_size=8, width=64, head_width=32, layers=1)
COCA_VISION = CLIPVisionCfg(
    image_size=32, patch_size=8, width=64, head_width=32, layers=1, attentional_pool=True, attn_pooler_heads=2
)
MULTIMODAL = {"context_length": 12, "width": 32, "heads": 2, "layers": 1}


def text(**settings: Any) -> CLIPTextCfg:
    return CLIPTextCfg(**{"context_length": 12, "vocab_size": 64, "width": 32, "heads": 2, "layers": 2, **settings})


MODELS = {
    "clip": lambda: CLIP(24, VISION, text()),
    "clip, linear projection": lambda: CLIP(24, VISION, text(proj_bias=True, ls_init_value=0.1)),
    "clip, last token": lambda: CLIP(32, VISION, text(pool_type="last", proj_type="none")),
    "custom": lambda: CustomTextCLIP(24, VISION, text()),
    "custom, end token": lambda: CustomTextCLIP(24, VISION, text(pool_type="eos", eos_id=2)),
    "custom, SigLIP": lambda: CustomTextCLIP(24, VISION, text(no_causal_mask=True, pool_type="last", proj_bias=True)),
    "custom, class token": lambda: CustomTextCLIP(24, VISION, text(embed_cls=True)),
    "custom, custom blocks": lambda: CustomTextCLIP(24, VISION, text(qk_norm=True, scale_fc=True)),
    "coca": lambda: CoCa(24, MULTIMODAL, text(embed_cls=True, output_tokens=True), COCA_VISION),
}


def make_model(name: str) -> Any:
    torch.manual_seed(7)
    model = MODELS[name]().eval()
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.1)
    return model


def token_ids() -> torch.Tensor:
    ids = torch.randint(3, 60, (4, 12), generator=torch.Generator().manual_seed(1))
    ids[:, 0] = 62
    for row, end in enumerate((5, 8, 11, 3)):
        ids[row, end] = 2 if row % 2 else 63
        ids[row, end + 1 :] = 0
    return ids


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_the_vectors_are_open_clips_bit_for_bit_and_every_token_has_a_state(name: str, training: bool) -> None:
    model = make_model(name).train(training)
    vectors, tokens = encode_token_ids(model, token_ids())
    assert torch.equal(vectors, model.encode_text(token_ids()))
    assert tokens is not None
    assert tokens.shape == (4, 12, vectors.shape[1])


@pytest.mark.parametrize("name", [name for name in MODELS if "class" not in name and name != "coca"])
def test_the_vector_is_the_state_of_the_token_that_is_pooled(name: str) -> None:
    model = make_model(name)
    vectors, tokens = encode_token_ids(model, token_ids())
    assert tokens is not None
    if "last" in name or "SigLIP" in name:
        places = torch.full((4,), 11)
    elif "end" in name:
        places = (token_ids() == 2).int().argmax(1)
    else:
        places = token_ids().argmax(1)
    torch.testing.assert_close(tokens[torch.arange(4), places], vectors)


def test_states_of_a_tower_with_a_class_token_are_those_of_the_words() -> None:
    """Behind a causal mask a word's state depends on no later one; the class token, at the end, has no state."""
    model = make_model("coca")
    changed = token_ids()
    changed[0, 4] = 7
    (_, before), (_, after) = (encode_token_ids(model, ids) for ids in (token_ids(), changed))
    assert before is not None
    assert after is not None
    assert torch.equal(before[0, :4], after[0, :4])
    assert not torch.allclose(before[0, 4], after[0, 4])


@pytest.mark.parametrize("name", MODELS)
def test_blocks_and_positions_are_of_one_width(name: str) -> None:
    model = make_model(name)
    positions = text_positions(model)
    assert positions is not None
    for block in text_blocks(model):
        assert block.get_parameter("ln_1.weight").shape == positions.shape[1:]


class Foreign(nn.Module):
    """A model of somebody else's, or with a tower of transformers."""

    def encode_text(self, ids: torch.Tensor) -> torch.Tensor:
        return ids.float()


def test_an_unknown_tower_gives_its_own_vectors_and_no_states() -> None:
    vectors, tokens = encode_token_ids(Foreign(), token_ids())
    assert torch.equal(vectors, token_ids().float())
    assert tokens is None
    assert text_positions(Foreign()) is None
    model = make_model("custom")

    class Subclass(type(model.text)):  # type: ignore[misc]
        """Its forward pass may differ."""

    model.text.__class__ = Subclass
    vectors, tokens = encode_token_ids(model, token_ids())
    assert torch.equal(vectors, model.encode_text(token_ids()))
    assert tokens is None
