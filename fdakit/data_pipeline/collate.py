"""What a data set gives of a clip, and what a loader gives of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.choices import Control
from fdakit.values import Batch

from .alpha_levels import Alpha, plain
from .travelling_alphas import rows_of_alphas


@dataclass(frozen=True)
class ClipItem:
    """A clip ready to be batched: frames uint8 `(t, s, s, 3)`, masks `(t, s, s)` by control, in levels if possible.

    If the mask works on the device there are no masks; `neighbours` and `luma`, by gap, are what it needs, at gap 0
    the frames in their own colours if those of `frames` are changed, and `partner` is the clip whose mask control
    `other-video` takes. `repaired` is why only the decodable frames of a damaged file were used; "" for an intact
    file.
    """

    id: str
    frames: NDArray[np.uint8]
    masks: Mapping[str, Alpha]
    times: NDArray[np.float64]
    text: str
    repaired: str = ""
    notes: tuple[str, ...] = ()  # notes of the frame store, passed on from a worker
    neighbours: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    luma: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    partner: ClipItem | None = None

    @property
    def alphas(self) -> dict[str, NDArray[np.float32]]:
        """The masks in float32."""
        return {control: plain(mask) for control, mask in self.masks.items()}


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
    maps = {name: getattr(batch, name) for name in ("neighbours", "luma", "extra")}
    own = {name: getattr(batch, name)[rows] for name in ("ids", "frames", "valid", "times", "texts")}
    beside = {name: {key: value[rows] for key, value in held.items()} for name, held in maps.items()}
    return {**own, **beside, "alphas": rows_of_alphas(batch.alphas, rows)}
