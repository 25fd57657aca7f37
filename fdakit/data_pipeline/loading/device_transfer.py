"""Batches sent to a CUDA device beside its work: from pinned memory, on a stream of their own. Untried on a GPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import torch

from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.data_pipeline.travelling_alphas import TravellingAlphas, as_held
from fdakit.values import Batch

B = TypeVar("B", bound=Batch)


def sent(loaded: Iterator[LoadedBatch], device: torch.device) -> Iterator[LoadedBatch]:
    """Yield batches with their pixels on a CUDA device; those for any other device as they are.

    Times and what is valid stay here, as they decide shapes. The copy of a batch runs while the device still works on
    the one before, and what uses the batch waits for it there, not here. Memory that is copied from stays held until
    then, so that no clip is written over it.
    """
    if device.type != "cuda":
        yield from loaded
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    under_way: deque[tuple[Any, LoadedBatch]] = deque()
    for batch in loaded:
        while under_way and under_way[0][0].query():
            under_way.popleft()
        with torch.cuda.stream(stream):
            there = _moved(batch, device)
            done = stream.record_event()
        under_way.append((done, batch))
        user = torch.cuda.current_stream(device)
        user.wait_event(done)
        for pixels in _pixels(there):
            pixels.record_stream(user)  # its memory is not used anew before that stream has read it
        yield there


def _moved(batch: B, device: torch.device) -> B:
    """Return a batch with its pixels on a device; nothing is waited for."""

    def move(held: Mapping[Any, torch.Tensor]) -> dict[Any, torch.Tensor]:
        return {key: pixels.to(device, non_blocking=True) for key, pixels in held.items()}

    moved: dict[str, Any] = {
        "frames": batch.frames.to(device, non_blocking=True),
        "alphas": TravellingAlphas(move(as_held(batch.alphas))),
        "neighbours": move(batch.neighbours),
        "luma": move(batch.luma),
    }
    if isinstance(batch, LoadedBatch) and batch.partners is not None:
        moved["partners"] = _moved(batch.partners, device)
    return replace(batch, **moved)


def _pixels(batch: Batch) -> Iterator[torch.Tensor]:
    yield from (batch.frames, *as_held(batch.alphas).values(), *batch.neighbours.values(), *batch.luma.values())
    if isinstance(batch, LoadedBatch) and batch.partners is not None:
        yield from _pixels(batch.partners)
