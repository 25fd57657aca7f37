"""The torch side of `video-prism`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from transformers import VideoPrismClipModel, VideoPrismConfig, VideoPrismTextConfig, VideoPrismVisionConfig

from fdakit.plugin import (
    BuildContext,
    ClipBatch,
    Fuse,
    FusionOutput,
    PixelForm,
    Preprocess,
    TextFeatures,
    TextRole,
    VideoFeatures,
)

SIDE, PATCH, LENGTH = 36, 18, 24


class VideoPrism(nn.Module):
    """One vector a clip; frames that only pad are black, bytes stand for tokens."""

    preprocess = Preprocess(SIDE, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), resize="squash")
    pixel_form: PixelForm = "unit"
    accepts: frozenset[FusionOutput] = frozenset({"pixels"})

    def __init__(self, shapes: BuildContext, *, width: int, frames: int) -> None:
        super().__init__()
        self.frame_count: int | None = frames
        self.shapes = replace(shapes, image_size=SIDE, embedding=width, context_length=LENGTH)
        tower: dict[str, Any] = {"hidden_size": width, "intermediate_size": 2 * width, "num_attention_heads": 2}
        layers: dict[str, Any] = {"num_spatial_layers": 1, "num_temporal_layers": 1, "num_auxiliary_layers": 1}
        pixels: dict[str, Any] = {"image_size": SIDE, "num_frames": frames, "tubelet_size": [1, PATCH, PATCH]}
        vision: Any = VideoPrismVisionConfig(**tower, **layers, **pixels)
        text: Any = VideoPrismTextConfig(**tower, num_hidden_layers=1, vocab_size=256)
        self.model: Any = VideoPrismClipModel(VideoPrismConfig(vision_config=vision, text_config=text))

    def encode_videos(self, clips: ClipBatch, fuse: Fuse) -> VideoFeatures:
        pixels = clips.packed()
        fused = fuse(pixels, None)
        shown = clips.unpacked(pixels if fused.pixels is None else fused.pixels)
        return VideoFeatures.of_clips(self.model.get_video_features(shown).pooler_output.flatten(1))

    def encode_texts(self, texts: Sequence[str], role: TextRole = "query") -> TextFeatures:
        given = [list(text.encode()[:LENGTH]) or [32] for text in texts]
        ids = torch.tensor([row + [0] * (LENGTH - len(row)) for row in given], device=self.model.device)
        found = self.model.get_text_features(ids, attention_mask=(ids > 0).long()).pooler_output
        cut = torch.tensor([len(text.encode()) > LENGTH for text in texts], device=ids.device)
        return TextFeatures(found, mask=ids > 0, ids=ids, cut=cut)
