"""The order of a transfer to a GPU, shown with a GPU's streams and events played by the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from weakref import ref

import pytest
import torch

from fdakit.data_pipeline.loaded_batch import LoadedBatch
from fdakit.data_pipeline.loading.device_transfer import sent
from fdakit.data_pipeline.travelling_alphas import TravellingAlphas
from fdakit.values import Batch


def batch(value: int) -> LoadedBatch:
    frames = torch.full((1, 2, 3, 4, 4), value, dtype=torch.uint8)
    alphas = TravellingAlphas({"none": frames[:, :, :1]})
    valid, times = torch.ones(1, 2, dtype=torch.bool), torch.zeros(1, 2)
    partners = Batch(("partner",), frames + 1, {}, valid, times, luma={0: frames[:, :, 0]})
    return LoadedBatch((str(value),), frames, alphas, valid, times, neighbours={-1: frames + 2}, partners=partners)


def test_batches_for_a_cpu_are_handed_on_as_they_are() -> None:
    given = [batch(value) for value in range(3)]
    assert list(map(id, sent(iter(given), torch.device("cpu")))) == list(map(id, given))


class Event:
    """An event that is over when the test says so."""

    def __init__(self) -> None:
        self.over = False

    def query(self) -> bool:
        return self.over


def test_a_batch_is_waited_for_on_the_device_and_held_here_until_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    events, waited, moved, recorded = [], [], [], []
    side = SimpleNamespace(record_event=lambda: events.append(Event()) or events[-1])
    main = SimpleNamespace(wait_event=waited.append)
    for name, value in {"Stream": side, "stream": nullcontext(), "current_stream": main}.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)

    def to(tensor: torch.Tensor, device: Any, *, non_blocking: bool) -> torch.Tensor:
        assert (str(device), non_blocking) == ("cuda", True)
        moved.append(tensor.shape)
        return tensor.clone()

    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: recorded.append((tensor, stream)))
    alive: list[int] = []
    references: list[Any] = []

    def loaded() -> Iterator[LoadedBatch]:
        for value in range(4):
            alive.append(sum(held() is not None for held in references))
            given = batch(value)
            references.append(ref(given.frames))
            yield given
            del given

    for number, there in enumerate(sent(loaded(), torch.device("cuda"))):
        assert (len(events), waited) == (number + 1, events)
        assert there.frames.unique().tolist() == [number]
        assert there.alphas["none"].dtype == torch.float32
        if number == 1:
            events[0].over = True
    assert len(moved) == len(recorded) == 4 * 5  # frames, alpha, neighbours; frames and luma of the partner
    assert all(stream is main for _, stream in recorded)
    assert alive == [0, 1, 2, 2]  # the first is let go once its event is over
