"""What the tests share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def small_model(tmp_path: Path) -> str:
    """The folder of a small model of open_clip's, by its name in a recipe."""
    model = {
        "embed_dim": 64,
        "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 64, "layers": 1},
        "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
    }
    pictures = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": pictures}))
    return f"local-dir:{tmp_path}"
