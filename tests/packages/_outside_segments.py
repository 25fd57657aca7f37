"""The torch side of `segments`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from zlib import crc32

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

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


class Segments(nn.Module):
    """Mean colours of a grid, averaged over the valid frames of each half of a clip."""

    preprocess = Preprocess(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    pixel_form: PixelForm = "uint8"
    accepts: frozenset[FusionOutput] = frozenset({"pixels"})
    frame_count: int | None = 4

    def __init__(self, shapes: BuildContext, embedding: int) -> None:
        super().__init__()
        self.shapes = replace(shapes, image_size=32, embedding=embedding)
        self.image, self.words = nn.Linear(3 * 8 * 8, embedding), nn.Embedding(512, embedding)

    def encode_videos(self, clips: ClipBatch, fuse: Fuse) -> VideoFeatures:
        pixels = clips.packed()
        fused = fuse(pixels, None)
        seen = (pixels if fused.pixels is None else fused.pixels).float() / 255
        frames = clips.unpacked(self.image(adaptive_avg_pool2d(seen, 8).flatten(1)))
        counts = clips.valid.view(-1, 2, 2).sum(2)
        sums = frames.view(-1, 2, 2, frames.shape[-1]).sum(2)
        return VideoFeatures(sums / counts.clamp(min=1).unsqueeze(-1), counts > 0, kind="clip")

    def encode_texts(self, texts: Sequence[str], role: TextRole = "query") -> TextFeatures:
        rows = [[crc32(word.encode()) % 512 for word in text.split()] or [0] for text in texts]
        vectors = [self.words(torch.tensor(row, device=self.words.weight.device)).mean(0) for row in rows]
        return TextFeatures(torch.stack(vectors))
