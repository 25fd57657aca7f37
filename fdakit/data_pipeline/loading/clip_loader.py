"""Batches of clips, read in this process or by a crew of workers that is kept for a whole run."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import torch

from fdakit.data_pipeline.clip_dataset import ClipDataset, ClipRequest
from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.errors import FdakitError
from fdakit.settings import LoaderSettings
from fdakit.system.devices import loader_workers
from fdakit.system.shared_memory import SharedBlock

from .batch_assembly import Found, assemble, close_up
from .batch_memory import BatchLayout, ClipFacts
from .batch_slots import BatchSlots, Slot
from .clip_writer import ClipWriter, WriteRequest
from .device_transfer import sent
from .pinned_memory import PinnedMemory
from .reading_worker import Source
from .worker_crew import WorkerCrew

Plan = Sequence[Sequence[ClipRequest]]


def batches(
    source: ClipDataset, plan: Plan, *, workers: int, prefetch: int, device: torch.device | None = None
) -> Iterator[LoadedBatch]:
    """Yield the batches of a plan as `ClipLoader.batches` does, with workers for this plan alone."""
    with ClipLoader(workers, device=device) as own:
        yield from own.batches(source, plan, prefetch=prefetch)


def batches_by(
    source: ClipDataset, plan: Plan, *, loader: LoaderSettings, device: torch.device, clip_loader: ClipLoader | None
) -> Iterator[LoadedBatch]:
    """Yield the batches of a plan by `clip_loader`, or by workers for this plan alone, as the settings say."""
    if clip_loader is not None:
        return clip_loader.batches(source, plan, prefetch=loader.prefetch)
    workers = loader_workers(loader.workers, device)
    return batches(source, plan, workers=workers, prefetch=loader.prefetch, device=device)


class ClipLoader:
    """Reads batches of any clip data sets with one crew of `workers` processes; 0 reads in this process.

    Workers start with the first batch and stay until `close`, so that epochs and validations begin at once. On a CUDA
    `device` batches lie in pinned memory and are sent there ahead of their use.
    """

    def __init__(self, workers: int, *, device: torch.device | None = None) -> None:
        self._device = device or torch.device("cpu")
        self._crew = WorkerCrew(workers) if workers else None
        self._pinned = PinnedMemory(self._device)
        self._stages: list[_Stage] = []

    def __enter__(self) -> ClipLoader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers that run."""
        return self._crew.pids if self._crew is not None else ()

    def close(self) -> None:
        """End the workers. Batches that are still held stay as they are."""
        if self._crew is not None:
            self._crew.close()
        self._stages.clear()
        self._pinned.release()

    def batches(self, source: ClipDataset, plan: Plan, *, prefetch: int) -> Iterator[LoadedBatch]:
        """Yield the batches of a plan, in its order; workers read `prefetch` batches ahead. Errors are raised here.

        A batch is not overwritten while anything refers to its tensors. Workers are subject to `source.time_limit`,
        see `WorkerCrew.read`; reading in this process is not.
        """
        yield from sent(self._read(source, plan, prefetch), self._device)

    def outcomes(self, source: Source, draws: Sequence[Any], *, ahead: int) -> Iterator[Any]:
        """Yield `source[draw]` for each draw, in order, of any source, by the workers or in this process."""
        if self._crew is None:
            yield from (source[draw] for draw in draws)
        else:
            yield from self._crew.read(source, draws, ahead=ahead)

    def _read(self, source: ClipDataset, plan: Plan, prefetch: int) -> Iterator[LoadedBatch]:
        source.forecast_cache(plan)
        if self._crew is not None:
            source.check_travel()
        stage = self._stage(source, max(map(len, plan), default=0))
        for batch in stage.batches(plan, self._crew, prefetch):
            source.warn_once(batch.notes)
            source.forecast_cache(plan)
            yield batch

    def _stage(self, source: ClipDataset, clips: int) -> _Stage:
        """Return the memory and the writer of a data set's batches, kept from its last plan if they fit this one."""
        for stage in self._stages:
            if stage.source is source and stage.fits(clips):
                return stage
        self._stages = [stage for stage in self._stages if stage.source is not source]
        self._stages.append(_Stage(source, clips, across=self._crew is not None, pinned=self._pinned))
        return self._stages[-1]


class _Stage:
    """The slots of a data set's batches, and the writer that fills them."""

    def __init__(self, source: ClipDataset, clips: int, *, across: bool, pinned: PinnedMemory) -> None:
        self.source = source
        self._layout = BatchLayout(source.contents, clips)
        self._writer = ClipWriter(source, self._layout)
        self._slots = BatchSlots(self._layout, share=self._share, across=across, pinned=pinned)

    def fits(self, clips: int) -> bool:
        """Return whether batches of so many clips have room, and are of what the data set gives."""
        return clips <= self._layout.clips and self._layout.contents == self.source.contents

    def batches(self, plan: Plan, crew: WorkerCrew | None, prefetch: int) -> Iterator[LoadedBatch]:
        """Yield the batches of a plan; raise the first error among its clips."""
        filling: deque[Slot] = deque()
        asked = self._requests(plan, filling)
        if crew is None:
            written: Iterator[Any] = (self._writer[one] for one in asked)
        else:
            written = crew.read(self._writer, asked, ahead=prefetch * self._layout.clips)
        try:
            for draws in plan:
                found = [_sound(next(written)) for _ in draws]
                yield self._finished(filling.popleft() if draws else self._slots.take(), draws, found)
        finally:
            if isinstance(written, Generator):
                written.close()
            for slot in filling:
                slot.filling = False

    def _requests(self, plan: Plan, filling: deque[Slot]) -> Iterator[WriteRequest]:
        for draws in filter(None, plan):
            filling.append(self._slots.take())
            number = filling[-1].number
            yield from (WriteRequest(draw, number, row) for row, draw in enumerate(draws))

    def _finished(self, slot: Slot, draws: Sequence[ClipRequest], found: Sequence[Found]) -> LoadedBatch:
        count = sum(isinstance(one, ClipFacts) for one in found)
        names = close_up(slot.views, found, self._layout.contents)
        return assemble(self.source, draws, found, self._slots.hand_out(slot, names, count))

    def _share(self, number: int, memory: Any, block: SharedBlock | None) -> None:
        """Make the memory of a slot known to those that write."""
        if block is None:
            self._writer.heed((number, memory))
        else:
            self._writer.news.append((number, block))


def _sound(found: Any) -> Found:
    if isinstance(found, FdakitError):
        raise found
    outcome: Found = found
    return outcome
