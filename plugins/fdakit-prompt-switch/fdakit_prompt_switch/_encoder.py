"""The torch side of `prompt-switch`: a `ClipEncoder` with a prompt cube between the steps of its visual tower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fdakit.model import ClipEncoder, ClipWeights, load_strictly
from fdakit.plugin import CheckpointError, ClipBatch, Fuse, Fused, PluginError, Role, VideoFeatures

from ._chunks import Chunks
from ._prompt_cube import CubeSteps, PromptCube
from .encoders import PromptOptions

_TOWER = "vision_model."  # of the released checkpoints, in Hugging Face's names
_NAMES = {
    f"{_TOWER}encoder.prompt_embedding": "prompts",
    f"{_TOWER}attn.": "attention.",
    "encoder.cube.": "",  # of fdakit's own
}


class PromptSwitchEncoder(ClipEncoder):
    """The towers of an open_clip model; clips of P frames exchange prompts in the visual one.

    A clip that lacks frames is filled by repeating its last; a video of more than P frames is several clips.
    """

    def __init__(self, clip: nn.Module, *, prompting: PromptOptions, **given: Any) -> None:
        super().__init__(clip, **given)
        self._prompting = prompting
        self._check_tower()
        self.cube = PromptCube(
            prompting.prompts, self.shapes.width, heads=self.shapes.heads, scale=prompting.prompt_scale
        )

    def _check_tower(self) -> None:
        visual: Any = self.clip.visual
        name = type(getattr(visual, "trunk", visual)).__name__
        if not self.takes_steps:
            raise PluginError(f"its visual tower, {name}, is no ViT of open_clip's own; choose one, as ViT-B-32")
        if visual.attn_pool is not None or visual.pool_type != "tok":
            raise PluginError(f"its visual tower, {name}, has no class token at its end; choose another, as ViT-B-32")

    def encode_videos(self, clips: ClipBatch, fuse: Fuse) -> VideoFeatures:
        """Return one vector a frame `(v, t, d)`, which depends on the other frames of its clip."""
        rgb = clips.packed()
        fused = fuse(rgb, self.stem if self.stem.convolutions else None)
        if not len(rgb):
            return VideoFeatures(rgb.new_zeros(*clips.valid.shape, self.shapes.embedding), clips.valid)
        chunks = Chunks.of(clips, size=self.cube.size, strided=self._prompting.order == "strided")
        steps = CubeSteps(self.cube, chunks, joint=self._prompting.clips == "joint")
        vectors = self.encode_images(chunks.arranged(rgb), _arranged(fused, chunks), steps)
        return VideoFeatures(chunks.frames(vectors), clips.valid)

    def blocks(self) -> list[nn.Module]:
        """Return the blocks of the text tower: those of the visual tower are not called as modules."""
        visual: Any = self.clip.visual
        inside = {id(module) for module in visual.modules()}
        return [block for block in super().blocks() if id(block) not in inside]

    def load(self, weights: ClipWeights, *, where: Path) -> None:
        """Load the towers of a weights file, and the cube if it holds one: of the release, or of fdakit.

        Raises `CheckpointError` if the weights are of another architecture, or a cube of another size.
        """
        cube = cube_weights(weights.other)
        if cube:
            self._check_prompts(cube, where)
            load_strictly(self.cube, {name: value.float() for name, value in cube.items()}, where=where)
        others = {name: value for name, value in weights.other.items() if not name.startswith(tuple(_NAMES))}
        super().load(replace(weights, other=others), where=where)

    def _check_prompts(self, cube: Mapping[str, torch.Tensor], where: Path) -> None:
        """Raise `CheckpointError` if a cube has another number of prompts, with the option to set."""
        prompts, own = cube.get("prompts"), self.cube.prompts.shape
        if prompts is not None and prompts.ndim == 3 and prompts.shape[2] == own[2] and len(prompts) != own[0]:
            raise CheckpointError(
                f"{where.absolute()}: has {len(prompts)} prompts a frame, and encoder.prompts is {own[0]}; set "
                f"encoder.prompts = {len(prompts)}"
            )

    def parameter_role(self, name: str) -> Role:
        """Return the role of a weight: `prompts` of the cube, `aggregator` of the attention after the last block."""
        if name.startswith("cube."):
            return "prompts" if name == "cube.prompts" else "aggregator"
        return super().parameter_role(name)


def _arranged(fused: Fused, chunks: Chunks) -> Fused:
    """Return what a fusion gave of the frames, in the order of the clips."""
    maps = fused.features
    return replace(
        fused,
        pixels=_rows(fused.pixels, chunks),
        features=None if maps is None else tuple(chunks.arranged(one) for one in maps),
        attention_bias=_rows(fused.attention_bias, chunks),
        keep=_rows(fused.keep, chunks),
    )


def _rows(values: torch.Tensor | None, chunks: Chunks) -> torch.Tensor | None:
    return None if values is None else chunks.arranged(values)


def cube_weights(other: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors of a cube among those that belong to no tower; empty if there is none."""
    found: dict[str, torch.Tensor] = {}
    for theirs, ours in _NAMES.items():
        found |= {ours + name.removeprefix(theirs): value for name, value in other.items() if name.startswith(theirs)}
    return found
