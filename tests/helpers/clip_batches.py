"""For tests of towers: batches of clips on the CPU."""

from __future__ import annotations

import torch

from fdakit.plugin import ClipBatch


def clip_batch(frames: torch.Tensor, valid: torch.Tensor | None = None) -> ClipBatch:
    """Frames `(v, t, 3, h, w)` a second apart; all valid unless told."""
    valid = torch.ones(frames.shape[:2], dtype=torch.bool) if valid is None else valid
    return ClipBatch(frames, valid, torch.arange(frames.shape[1], dtype=torch.float64).expand(valid.shape))
