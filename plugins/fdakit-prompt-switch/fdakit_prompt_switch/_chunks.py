"""Frames of a batch as clips of equal length."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fdakit.plugin import ClipBatch


@dataclass(frozen=True)
class Chunks:
    """How the packed frames of v videos form clips of `size` frames, `count` clips for each video.

    `rows (v * count * size,)` are the packed frames in the order of the clips, None if they are in it already; clips
    that a shorter video lacks repeat its last one, `real (v, count)` is false for them. `home (v, t)` is where each
    frame of a video is.
    """

    size: int
    count: int
    valid: torch.Tensor
    real: torch.Tensor
    home: torch.Tensor
    rows: torch.Tensor | None

    @classmethod
    def of(cls, clips: ClipBatch, *, size: int, strided: bool) -> Chunks:
        """Divide the videos of a batch: n frames into k = ceil(n / size) clips.

        Clip c has every k-th frame from frame c on if `strided`, else frames c * size and following. A clip with
        fewer frames repeats its last. What pads a video changes nothing, and nothing waits for the device.
        """
        valid, packed = clips.valid, len(clips.positions)
        videos, length = valid.shape
        most = -(-length // size)

        def upto(count: int) -> torch.Tensor:
            return torch.arange(count, device=valid.device)

        frames = valid.sum(1)
        own = ((frames + size - 1) // size).clamp(min=1)
        last = (frames - 1).clamp(min=0)[:, None, None]
        each = own[:, None, None]
        clip = upto(most)[None, :, None].minimum(each - 1)
        slot = upto(size)[None, None, :]
        rank = (valid.cumsum(1) - 1).clamp(min=0)
        if strided:
            number = slot.minimum((last - clip) // each) * each + clip
            at_clip, at_slot = rank % own[:, None], rank // own[:, None]
        else:
            number = (clip * size + slot).minimum(last)
            at_clip, at_slot = rank // size, rank % size
        first = (frames.cumsum(0) - frames)[:, None, None]
        in_order = packed == valid.numel() and length % size == 0 and (most == 1 or not strided)
        return cls(
            size=size,
            count=most,
            valid=valid,
            real=upto(most) < own[:, None],
            home=(upto(videos)[:, None] * most + at_clip) * size + at_slot,
            rows=None if in_order else (first + number).clamp(max=packed - 1).flatten(),
        )

    def arranged(self, values: torch.Tensor) -> torch.Tensor:
        """Return `(v * count * size, ...)` of rows `(n, ...)` of packed frames."""
        return values if self.rows is None else values[self.rows]

    def frames(self, values: torch.Tensor) -> torch.Tensor:
        """Return `(v, t, ...)` of rows in the order of the clips; 0 where a video was padded."""
        if self.rows is None:
            return values.view(*self.valid.shape, *values.shape[1:])
        shape = (*self.valid.shape, *(1 for _ in values.shape[1:]))
        return values[self.home].masked_fill(~self.valid.view(shape), 0)
