"""Batches as the ranks load them: each its own pairs, of which all learn before anything is encoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch

from fdakit.data_pipeline.clip_dataset import ClipRequest
from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.data_pipeline.loading.clip_loader import ClipLoader, batches_by
from fdakit.errors import FdakitError
from fdakit.settings import LoaderSettings
from fdakit.system.ranks import Ranks
from fdakit.system.stop_signals import StopRequest

from .shares import SharedBatch, Shares, share
from .stopping import Stopped
from .training_data import TrainingData


class SharedLoading:
    """Loads this rank's pairs of the batches of a plan; `micro_batch` is that of `[train]`."""

    def __init__(
        self,
        data: TrainingData,
        *,
        loader: LoaderSettings,
        micro_batch: int | None,
        device: torch.device,
        ranks: Ranks,
        clip_loader: ClipLoader | None = None,
    ) -> None:
        self._data = data
        self._read = partial(batches_by, loader=loader, device=device, clip_loader=clip_loader)
        self._micro_batch, self._ranks = micro_batch, ranks

    def batches(self, plan: Sequence[Sequence[ClipRequest]], asked: StopRequest) -> Iterator[SharedBatch]:
        """Yield the batches of a plan. An error of one rank, or its stop, is raised on all."""
        ranks = self._ranks
        shares = [Shares.of(len(draws), micro_batch=self._micro_batch, ranks=ranks.size) for draws in plan]
        own = [draws[of.places(ranks.rank)] for draws, of in zip(plan, shares, strict=True)]
        loaded = self._read(self._data.clips, own)
        for division in shares:
            shared = share(_next(map(self._data.completed, loaded), asked), division, ranks)
            yield shared if ranks.size == 1 else replace(shared, whole=self._data.completed(shared.whole))


def _next(loaded: Iterator[LoadedBatch], asked: StopRequest) -> LoadedBatch | FdakitError | Stopped:
    """Return the next batch, or why there is none; a loader that fails after a request to stop was ended by it."""
    try:
        return next(loaded)
    except FdakitError as error:
        return Stopped(asked.signal) if asked.is_set() else error
