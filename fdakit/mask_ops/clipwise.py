"""A mask of single clips as a mask on the device, which is given batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from fdakit.features import ClipBatch
from fdakit.values import Clip, Needs, Place

from .postprocess import Masks

if TYPE_CHECKING:
    import torch


class ClipwiseMask:
    """Makes the masks of each clip of a batch by itself: for a mask that looks at a clip as a whole.

    `masks(clip)` is given the valid frames alone, torch uint8 `(t, 3, h, w)` on the model's device, with neighbours
    of that shape and luma `(t, h, w)`; the clip has no id and no seed of its own.
    """

    place: Place = "device"

    def __init__(self, masks: Callable[[Clip], Masks], needs: Needs) -> None:
        self.needs = needs
        self._of_clip = masks

    def __call__(self, clips: ClipBatch) -> torch.Tensor:
        """Return alpha float32 `(v, t, h, w)` of uint8 frames `(v, t, 3, h, w)`; 0 where a clip was padded."""
        import torch

        found = torch.zeros(*clips.frames.shape[:2], *clips.frames.shape[-2:], device=clips.frames.device)
        for row, clip in enumerate(split_clips(clips)):
            found[row, clips.valid[row]] = torch.from_numpy(self._of_clip(clip).alpha).to(found.device)
        return found

    def remarks(self, clips: ClipBatch) -> tuple[tuple[str, ...], ...]:
        """Return for each clip the remark on each of its frames."""
        return tuple(self._of_clip(clip).remarks for clip in split_clips(clips))


def split_clips(clips: ClipBatch) -> Iterator[Clip]:
    """Yield the clips of a batch, of their valid frames alone; all arrays but times stay torch's."""
    times = clips.times.cpu().numpy().astype(np.float64)
    for row, valid in enumerate(clips.valid):
        yield Clip(
            id=f"clip {row}",
            frames=clips.frames[row, valid],
            times=times[row, valid.cpu().numpy()],
            neighbours={gap: near[row, valid] for gap, near in clips.neighbours.items()},
            luma={gap: grey[row, valid] for gap, grey in clips.luma.items()},
        )
