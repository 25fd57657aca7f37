"""What a loader gives of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from fdakit.choices import Control
from fdakit.values import Batch

from .travelling_alphas import rows_of_alphas


@dataclass(frozen=True)
class LoadedBatch(Batch):
    """A batch with the repaired clips: the file's fault by id. `notes` are for the user.

    If the mask works on the device, its masks are yet to be replaced as the `controls` do by the `seed`; `partners`
    are the clips whose masks `other-video` takes, one a clip. `tokens` are those of the texts, a row a text, if
    workers have made them. `places` are those of the clips among all asked for, the unreadable ones counted.
    """

    repaired: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()
    seed: int = 0
    partners: Batch | None = None
    places: tuple[int, ...] = ()
    tokens: Mapping[str, torch.Tensor] = field(default_factory=dict)


def rows_of(batch: LoadedBatch, rows: slice) -> LoadedBatch:
    """Return some of the clips of a batch, as a batch without notes on what was lost or repaired."""
    partners = batch.partners
    return LoadedBatch(
        **_cut(batch, rows),
        controls=batch.controls,
        seed=batch.seed,
        places=batch.places[rows],
        tokens={name: values[rows] for name, values in batch.tokens.items()},
        partners=None if partners is None else Batch(**_cut(partners, rows)),
    )


def _cut(batch: Batch, rows: slice) -> dict[str, Any]:
    maps = {name: getattr(batch, name) for name in ("neighbours", "luma", "extra")}
    own = {name: getattr(batch, name)[rows] for name in ("ids", "frames", "valid", "times", "texts")}
    beside = {name: {key: value[rows] for key, value in held.items()} for name, held in maps.items()}
    return {**own, **beside, "alphas": rows_of_alphas(batch.alphas, rows)}
