"""What recipes name and would download: small models under published names, random weights where theirs would lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
from helpers.small_clip import WEIGHTS, State, alpha_tower, name_model, snapshot
from safetensors.torch import save_file
from timm.models.eva import vit_pe_core_tiny_patch16_384
from torch import nn

_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 4}
_VISION = {"image_size": 224, "width": 64, "layers": 2}
_PE_CORE = {"timm_model_name": "small_pe_core", "timm_pool": "map", "timm_proj": None}
SMALL: dict[str, dict[str, Any]] = {
    "ViT-B-32": {"embed_dim": 64, "vision_cfg": {**_VISION, "patch_size": 32}, "text_cfg": _TEXT},
    "ViT-B-16": {"embed_dim": 64, "vision_cfg": {**_VISION, "patch_size": 16}, "text_cfg": _TEXT},
    "PE-Core-B-16": {
        "embed_dim": 192,
        "vision_cfg": {"image_size": 224, **_PE_CORE},
        "text_cfg": {**_TEXT, "context_length": 32, "width": 192, "heads": 3},
        "custom_text": True,
    },
}
"""What stands for a model: pictures, patches, words and context as published, but narrow and of a few layers."""


@timm.models.register_model
def small_pe_core(pretrained: bool = False, **settings: Any) -> nn.Module:
    """The smallest image tower of Perception Encoder, on smaller pictures and of two layers."""
    return vit_pe_core_tiny_patch16_384(pretrained, img_size=224, depth=2, **settings)


@contextmanager
def small_models(folder: Path) -> Iterator[None]:
    """Have open_clip make the small models under the published names, as long as this is open."""
    for name, sizes in SMALL.items():
        name_model(folder, name, **sizes)
    try:
        yield
    finally:
        published = Path(open_clip.__file__).parent / "model_configs"
        for name in SMALL:
            open_clip.add_model_config(published / f"{name}.json")


def weights_file(cache: Path, model: str, tag: str) -> Path:
    """Where the hub's client looks for the weights of a model's tag."""
    repository = open_clip.get_pretrained_cfg(model, tag)["hf_hub"].rstrip("/")
    return snapshot(cache, repository) / WEIGHTS


def write_weights(path: Path, model: str) -> None:
    """Write random weights of a model."""
    torch.manual_seed(11)
    clip = open_clip.create_model(model, load_weights=False)
    save_file({name: weight.contiguous() for name, weight in clip.state_dict().items()}, path)


def write_alpha_tower(path: Path, state: State) -> None:
    """Write the visual tower of a state in the layout of Alpha-CLIP's files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(alpha_tower(state), path)
