"""Collation of clips into batches: padded, stacked, unreadable videos listed and repaired ones marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.choices import Control
from fdakit.errors import FdakitError
from fdakit.values import Batch, UnreadableVideo


@dataclass(frozen=True)
class ClipItem:
    """A clip ready to be batched: frames uint8 `(t, s, s, 3)`, alphas float32 `(t, s, s)` by control.

    If the mask works on the device there are no alphas; `neighbours` and `luma`, by gap, are what it needs, and
    `partner` is the clip whose mask control `other-video` takes. `repaired` is why only the decodable frames of a
    damaged file were used; "" for an intact file.
    """

    id: str
    frames: NDArray[np.uint8]
    alphas: Mapping[str, NDArray[np.float32]]
    times: NDArray[np.float64]
    text: str
    repaired: str = ""
    notes: tuple[str, ...] = ()  # notes of the frame store, passed on from a worker
    neighbours: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    luma: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    partner: ClipItem | None = None


@dataclass(frozen=True)
class LoadedBatch(Batch):
    """A batch with the repaired clips: the file's fault by id. `notes` are for the user.

    If the mask works on the device, its masks are yet to be replaced as the `controls` do by the `seed`; `partners`
    are the clips whose masks `other-video` takes, one a clip. `places` are those of the clips among all that were
    asked for, the unreadable ones counted.
    """

    repaired: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()
    seed: int = 0
    partners: Batch | None = None
    places: tuple[int, ...] = ()


def rows_of(batch: LoadedBatch, rows: slice) -> LoadedBatch:
    """Return some of the clips of a batch, as a batch without notes on what was lost or repaired."""
    partners = batch.partners
    return LoadedBatch(
        **_cut(batch, rows),
        controls=batch.controls,
        seed=batch.seed,
        places=batch.places[rows],
        partners=None if partners is None else Batch(**_cut(partners, rows)),
    )


def _cut(batch: Batch, rows: slice) -> dict[str, Any]:
    maps = {name: getattr(batch, name) for name in ("alphas", "neighbours", "luma", "extra")}
    own = {name: getattr(batch, name)[rows] for name in ("ids", "frames", "valid", "times", "texts")}
    return own | {name: {key: value[rows] for key, value in held.items()} for name, held in maps.items()}


@dataclass(frozen=True)
class Collate:
    """Pads clips to `length` frames and stacks them; unreadable videos are listed, not filled in.

    `controls` and `seed` are those of a batch whose masks are made on the device.
    """

    length: int
    controls: tuple[Control, ...] = ()
    seed: int = 0

    def __call__(self, items: Sequence[ClipItem | UnreadableVideo | FdakitError]) -> LoadedBatch | FdakitError:
        for item in items:
            if isinstance(item, FdakitError):
                return item
        clips = [item for item in items if isinstance(item, ClipItem)]
        lost = tuple(item for item in items if isinstance(item, UnreadableVideo))
        if not clips:
            empty = torch.zeros(0)
            return LoadedBatch((), empty, {}, torch.zeros(0, 0, dtype=torch.bool), empty, (), lost)
        places = tuple(place for place, item in enumerate(items) if isinstance(item, ClipItem))
        return replace(self._stacked(clips, lost), places=places)

    def _stacked(self, clips: Sequence[ClipItem], lost: tuple[UnreadableVideo, ...]) -> LoadedBatch:
        counts = torch.tensor([len(clip.frames) for clip in clips])
        partners = [clip.partner for clip in clips if clip.partner is not None]
        first = clips[0]
        return LoadedBatch(
            ids=tuple(clip.id for clip in clips),
            frames=self._pictures([clip.frames for clip in clips]),
            alphas={name: self._stack([clip.alphas[name] for clip in clips]).unsqueeze(2) for name in first.alphas},
            valid=torch.arange(self.length)[None] < counts[:, None],
            times=self._stack([clip.times for clip in clips]),
            texts=tuple(clip.text for clip in clips),
            lost=lost,
            repaired={clip.id: clip.repaired for clip in clips if clip.repaired},
            notes=tuple(note for clip in clips for note in clip.notes),
            neighbours={g: self._pictures([clip.neighbours[g] for clip in clips]) for g in first.neighbours},
            luma={g: self._stack([clip.luma[g] for clip in clips]) for g in first.luma},
            controls=self.controls,
            seed=self.seed,
            partners=self._stacked(partners, ()) if partners else None,
        )

    def _pictures(self, arrays: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        return self._stack(arrays).permute(0, 1, 4, 2, 3).contiguous()

    def _stack(self, arrays: Sequence[NDArray[Any]]) -> torch.Tensor:
        stacked = np.zeros((len(arrays), self.length, *arrays[0].shape[1:]), arrays[0].dtype)
        for place, array in enumerate(arrays):
            stacked[place, : len(array)] = array
        return torch.from_numpy(stacked)
