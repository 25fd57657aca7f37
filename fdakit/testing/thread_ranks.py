"""Several ranks in one process: threads that take turns, so that a step on many processes can be tried anywhere.

One thread runs at a time, until it waits for the others; torch's generator is thus never drawn from by two at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from fdakit.system.ranks import Ranks

T = TypeVar("T")


def on_ranks(size: int, act: Callable[[Ranks], T]) -> list[T]:
    """Return what `act(ranks)` gives on each of `size` ranks. Raises the first error of one of them."""
    meeting = _Meeting(size)
    results: list[Any] = [None] * size
    errors: list[BaseException] = []

    def work(rank: int) -> None:
        with meeting.turn:
            try:
                results[rank] = act(ThreadRanks(rank, meeting))
            except threading.BrokenBarrierError:
                pass  # another rank has failed, whose error is raised below
            except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
                errors.append(error)
                meeting.barrier.abort()

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


class _Meeting:
    """Where the threads lay down what they tell each other; `turn` is held by the one that runs."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.turn = threading.Lock()
        self.barrier = threading.Barrier(size)
        self.table: list[Any] = [None] * size

    def exchange(self, rank: int, value: Any) -> list[Any]:
        self.table[rank] = value
        self._wait()
        found = list(self.table)
        self._wait()
        return found

    def _wait(self) -> None:
        self.turn.release()
        try:
            self.barrier.wait()
        finally:
            self.turn.acquire()


class ThreadRanks(Ranks):
    """One of several threads that act as ranks."""

    def __init__(self, rank: int, meeting: _Meeting) -> None:
        self._rank, self._meeting = rank, meeting

    @property
    def rank(self) -> int:
        return self._rank

    @property
    def size(self) -> int:
        return self._meeting.size

    def objects(self, value: T) -> list[T]:
        return self._meeting.exchange(self._rank, value)

    def at_first(self, value: T) -> list[T] | None:
        found = self.objects(value)
        return found if self.leads else None

    def tensors(self, own: Sequence[torch.Tensor]) -> list[list[torch.Tensor]]:
        told = self._meeting.exchange(self._rank, [one.detach().clone() for one in own])
        return [[one.clone() for one in held] for held in told]

    def add_up(self, values: Sequence[torch.Tensor]) -> None:
        told = self.tensors(values)
        kinds = [[(one.dtype, one.shape) for one in held] for held in told]
        assert all(kind == kinds[0] for kind in kinds), f"ranks add up different tensors: {kinds}"
        with torch.no_grad():
            for place, value in enumerate(values):
                value.copy_(torch.stack([held[place] for held in told]).sum(0))

    def copy_first(self, values: Sequence[torch.Tensor]) -> None:
        first, *_ = self.tensors(values)
        with torch.no_grad():
            for value, found in zip(values, first, strict=True):
                value.copy_(found)
