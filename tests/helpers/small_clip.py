"""A CLIP small enough to be written in a test: as a folder for `local-dir:`, and as the hub's cache keeps one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

SIZES: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 64, "layers": 1},
    "text_cfg": {"context_length": 8, "width": 32, "heads": 2, "layers": 1, "vocab_size": 49408},
}
PICTURES = {
    "mean": [0.1, 0.2, 0.3],
    "std": [0.5, 0.6, 0.7],
    "interpolation": "bilinear",
    "resize_mode": "squash",
}
WEIGHTS = "open_clip_model.safetensors"
COMMIT = "0" * 40
State = dict[str, torch.Tensor]


def write_folder(folder: Path, *, weights: str | None = WEIGHTS, seed: int = 5, **sizes: Any) -> State:
    """open_clip's layout: `open_clip_config.json` and, unless None, random weights in a file of that name."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**SIZES, **sizes}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": PICTURES}))
    torch.manual_seed(seed)
    state: State = {k: v.contiguous() for k, v in open_clip.CLIP(**config).state_dict().items()}
    if weights is not None:
        save_weights(folder / weights, state)
    return state


def save_weights(path: Path, state: State) -> None:
    """In the form that the file's name says."""
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)


def name_model(folder: Path, name: str, **sizes: Any) -> str:
    """Have open_clip know the small model by a name."""
    config = folder / f"{name}.json"
    config.write_text(json.dumps({**SIZES, **sizes}))
    open_clip.add_model_config(config)
    return name


def alpha_tower(state: State) -> State:
    """The visual tower of a state, as Alpha-CLIP publishes them; its alpha convolution is all 0.01."""
    visual = {n.removeprefix("visual."): v for n, v in state.items() if n.startswith("visual.")}
    renamed = {name.replace("attn.in_proj_", "attn.in_proj."): value for name, value in visual.items()}
    return {**renamed, "conv1_alpha.weight": torch.full_like(visual["conv1.weight"][:, :1], 0.01)}


def snapshot(cache: Path, repo: str) -> Path:
    """The folder in the hub's cache that holds the newest files of a repository; made where it is absent."""
    kept = cache / f"models--{repo.replace('/', '--')}"
    (kept / "refs").mkdir(parents=True, exist_ok=True)
    (kept / "refs" / "main").write_text(COMMIT)
    folder = kept / "snapshots" / COMMIT
    folder.mkdir(parents=True, exist_ok=True)
    return folder
