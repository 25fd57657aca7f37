"""Where the golden fixtures lie: `FDAKIT_FIXTURES`, else the copies beside these tests."""

from __future__ import annotations

import os
from pathlib import Path

import open_clip

from fdakit.model.architecture import Architecture

HEAD = 64  # width of an attention head in every OpenAI CLIP


def fixtures(system: str) -> Path:
    """The folder of one reference system."""
    root = os.environ.get("FDAKIT_FIXTURES")
    return (Path(root) if root else Path(__file__).parents[1] / "fixtures") / system


def cases(system: str) -> list[Path]:
    """Every case of the system: a folder with a meta.json."""
    return sorted(path.parent for path in fixtures(system).glob("*/meta.json"))


def base_files(case: Path) -> list[Path]:
    """The files of a case that hold a whole CLIP, whichever there are."""
    return sorted(path for path in case.glob("base_clip*") if path.is_file())


def tower_files(case: Path) -> list[Path]:
    """The files of a case that hold an Alpha-CLIP visual tower, whichever there are."""
    return sorted(path for path in case.glob("alpha_visual*") if path.is_file())


def build_clip(sizes: Architecture, *, quick_gelu: bool) -> open_clip.CLIP:
    """An open_clip `CLIP` of these sizes with random weights, in fp32."""
    return open_clip.CLIP(
        sizes.embedding,
        vision_cfg=open_clip.CLIPVisionCfg(
            layers=sizes.layers,
            width=sizes.width,
            patch_size=sizes.patch,
            image_size=sizes.image_size,
            head_width=HEAD,
        ),
        text_cfg=open_clip.CLIPTextCfg(
            context_length=sizes.context_length,
            vocab_size=sizes.vocabulary,
            width=sizes.text_width,
            heads=sizes.text_width // HEAD,
            layers=sizes.text_layers,
        ),
        quick_gelu=quick_gelu,
    )
