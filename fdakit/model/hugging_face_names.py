"""Weights of Hugging Face's `CLIPModel` under open_clip's names, also those of systems that hold such a model.

Hugging Face has three projections of attention in place of one, `Linear` layers in place of bare projections, and a
misspelt norm (`pre_layrnorm`). Prompt Switch (arXiv 2308.07648) holds the model under `clip.`, with prompts inside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from .state_dicts import StateDictError

State = dict[str, torch.Tensor]

PROMPTS = "vision_model.encoder.prompt_embedding"
_MARK = "vision_model.embeddings.class_embedding"
_PLAIN = {
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm": "visual.ln_pre",
    "vision_model.post_layernorm": "visual.ln_post",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm": "ln_final",
    "logit_scale": "logit_scale",
}
_TURNED = {"visual_projection.weight": "visual.proj", "text_projection.weight": "text_projection"}
_TOWERS = {"vision_model": "visual.transformer", "text_model": "transformer"}
_BLOCK = re.compile(r"(vision_model|text_model)\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")
_IN_BLOCK = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_PROJECTIONS = tuple(f"self_attn.{letter}_proj" for letter in "qkv")  # in the order of `in_proj_weight`


def holds_hugging_face(named: Mapping[str, torch.Tensor]) -> bool:
    """Return whether names are those of a `CLIPModel`, with or without `clip.` before them."""
    return _MARK in named or f"clip.{_MARK}" in named


def to_open_clip(named: Mapping[str, torch.Tensor]) -> tuple[State, State]:
    """Return the towers' tensors under open_clip's names, and all others, those inside the model without `clip.`.

    Position ids, which are no weights, are left out. Raises `StateDictError` if two names mean one tensor, or a
    projection does not fit its neighbours.
    """
    prefix = "clip." if f"clip.{_MARK}" in named else ""
    clip: State = {}
    other: State = {}
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for full, value in named.items():
        name = full.removeprefix(prefix)
        if name.endswith(".position_ids"):
            continue
        found = _BLOCK.fullmatch(name)
        if found and found[3] in _PROJECTIONS:
            whole = f"{_TOWERS[found[1]]}.resblocks.{found[2]}.attn.in_proj_{found[4]}"
            _put(parts.setdefault(whole, {}), found[3], value, name)
        elif (today := _renamed(name)) is not None:
            _put(clip, today, value.T.contiguous() if name in _TURNED and value.ndim == 2 else value, name)
        else:
            _put(other, name, value, name)
    for whole, three in parts.items():
        clip[whole] = _joined(whole, three)
    return clip, other


def _renamed(name: str) -> str | None:
    """Return open_clip's name of a tensor that is the same there, or turned; None if it has none."""
    if name in _PLAIN or name in _TURNED:
        return _PLAIN.get(name) or _TURNED[name]
    found = _BLOCK.fullmatch(name)
    if found:
        inner = _IN_BLOCK.get(found[3])
        return f"{_TOWERS[found[1]]}.resblocks.{found[2]}.{inner}.{found[4]}" if inner else None
    module, _, kind = name.rpartition(".")
    return f"{_PLAIN[module]}.{kind}" if module in _PLAIN and kind in ("weight", "bias") else None


def _put(state: State, name: str, value: torch.Tensor, own: str) -> None:
    if name in state:
        raise StateDictError(f"two of its tensors are {own!r}, with and without a prefix; leave out one of them")
    state[name] = value


def _joined(whole: str, three: Mapping[str, torch.Tensor]) -> torch.Tensor:
    values = [three[name] for name in _PROJECTIONS if name in three]
    if len(values) < len(_PROJECTIONS) or len({value.shape for value in values}) > 1 or not values[0].ndim:
        raise StateDictError(f"the projections that would be {whole!r} are not three of one shape; fetch it again")
    return torch.cat(values)
