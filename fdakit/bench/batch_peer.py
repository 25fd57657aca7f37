"""Batches as they are usually made: a map-style data set of tensors, torch's `DataLoader`, its default collation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.clip_item import ClipItem
from fdakit.errors import FdakitError, VideoError
from fdakit.system.processes import spawn_context
from fdakit.values import UnreadableVideo

PEER = "torch DataLoader"


class StackedClips(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """The clips of a data set as tensors: frames uint8 `(t, 3, s, s)` and alpha float32 `(t, 1, s, s)`, padded."""

    def __init__(self, source: ClipDataset) -> None:
        self._source, self._length = source, source.contents.length

    def __getitem__(self, draw: ClipRequest) -> dict[str, torch.Tensor]:
        item = self._source[draw]
        if isinstance(item, FdakitError | UnreadableVideo):
            raise VideoError(item.reason) if isinstance(item, UnreadableVideo) else item
        return self._tensors(item)

    def _tensors(self, item: ClipItem) -> dict[str, torch.Tensor]:
        with warnings.catch_warnings(action="ignore"):  # that the store's frames are read-only
            frames = torch.from_numpy(self._padded(item.frames)).permute(0, 3, 1, 2)
        return {"frames": frames, "alpha": torch.from_numpy(self._padded(item.alphas["none"]))[:, None]}

    def _padded(self, values: NDArray[Any]) -> NDArray[Any]:
        missing = self._length - len(values)
        return np.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1)) if missing else values


def torch_loader(source: ClipDataset, plan: Sequence[Sequence[ClipRequest]], *, workers: int) -> Any:
    """Return torch's loader of a plan, whose `workers` stay from one pass to the next."""
    own: dict[str, Any] = {
        "persistent_workers": True,
        "prefetch_factor": 1,
        "multiprocessing_context": spawn_context(),
    }
    batches: Any = plan
    return torch.utils.data.DataLoader(
        StackedClips(source), batch_sampler=batches, num_workers=workers, **(own if workers else {})
    )
