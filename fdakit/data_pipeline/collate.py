"""Collation of clips into batches: padded, stacked, unreadable videos listed and repaired ones marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.errors import FdakitError
from fdakit.values import Batch, UnreadableVideo


@dataclass(frozen=True)
class ClipItem:
    """A clip ready to be batched: frames uint8 `(t, s, s, 3)`, alphas float32 `(t, s, s)` by control.

    `repaired` is why only the decodable frames of a damaged file were used; "" for an intact file.
    """

    id: str
    frames: NDArray[np.uint8]
    alphas: Mapping[str, NDArray[np.float32]]
    times: NDArray[np.float64]
    text: str
    repaired: str = ""
    notes: tuple[str, ...] = ()  # notes of the frame store, passed on from a worker


@dataclass(frozen=True)
class LoadedBatch(Batch):
    """A batch with the repaired clips: the file's fault by id. `notes` are for the user."""

    repaired: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Collate:
    """Pads clips to `length` frames and stacks them; unreadable videos are listed, not filled in."""

    length: int

    def __call__(self, items: Sequence[ClipItem | UnreadableVideo | FdakitError]) -> LoadedBatch | FdakitError:
        for item in items:
            if isinstance(item, FdakitError):
                return item
        clips = [item for item in items if isinstance(item, ClipItem)]
        lost = tuple(item for item in items if isinstance(item, UnreadableVideo))
        if not clips:
            empty = torch.zeros(0)
            return LoadedBatch((), empty, {}, torch.zeros(0, 0, dtype=torch.bool), empty, (), lost)
        counts = torch.tensor([len(clip.frames) for clip in clips])
        return LoadedBatch(
            ids=tuple(clip.id for clip in clips),
            frames=self._stack([clip.frames for clip in clips]).permute(0, 1, 4, 2, 3).contiguous(),
            alphas={
                name: self._stack([clip.alphas[name] for clip in clips]).unsqueeze(2) for name in clips[0].alphas
            },
            valid=torch.arange(self.length)[None] < counts[:, None],
            times=self._stack([clip.times for clip in clips]),
            texts=tuple(clip.text for clip in clips),
            lost=lost,
            repaired={clip.id: clip.repaired for clip in clips if clip.repaired},
            notes=tuple(note for clip in clips for note in clip.notes),
        )

    def _stack(self, arrays: Sequence[NDArray[Any]]) -> torch.Tensor:
        stacked = np.zeros((len(arrays), self.length, *arrays[0].shape[1:]), arrays[0].dtype)
        for place, array in enumerate(arrays):
            stacked[place, : len(array)] = array
        return torch.from_numpy(stacked)
