"""The ranks of `torchrun`: processes that torch.distributed connects.

Tensors travel by NCCL between GPUs, by Gloo between CPUs. What is no tensor always travels by Gloo, so that it never
waits for a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from fdakit.errors import FdakitError, RankLostError, ToldError

from .rank_roll import RankRoll
from .ranks import Ranks, asked_ranks

T = TypeVar("T")

_MEETING = timedelta(minutes=10)  # for all processes to be started
_LONG = timedelta(days=7)  # rank 0 may render or rank for hours while the others wait; a dead one is noticed at once
_BUCKET = 2**23  # numbers that are sent together


class ProcessRanks(Ranks):
    """The processes of the default group, between which tensors on `device` travel."""

    def __init__(self, device: torch.device, roll: RankRoll) -> None:
        self._device, self._roll = device, roll
        self._words: Any = dist.new_group(backend="gloo", timeout=_LONG)

    @property
    def rank(self) -> int:
        return dist.get_rank()

    @property
    def size(self) -> int:
        return dist.get_world_size()

    @property
    def connected(self) -> bool:
        return True

    def objects(self, value: T) -> list[T]:
        found: list[Any] = [None] * self.size
        self._together(lambda: dist.all_gather_object(found, value, group=self._words))
        return found

    def at_first(self, value: T) -> list[T] | None:
        found: list[Any] | None = [None] * self.size if self.leads else None
        self._together(lambda: dist.gather_object(value, found, group=self._words))
        return found

    def tensors(self, own: Sequence[torch.Tensor]) -> list[list[torch.Tensor]]:
        told = self.objects([(str(one.dtype), tuple(one.shape)) for one in own])
        flat: dict[str, list[torch.Tensor]] = {}
        for kind in dict.fromkeys(name for shapes in told for name, _ in shapes):
            counts = [sum(_numel(shape) for name, shape in shapes if name == kind) for shapes in told]
            mine = [one.detach().reshape(-1) for one in own if str(one.dtype) == kind]
            flat[kind] = self._joined(mine, kind, counts)
        return [
            _shaped(shapes, {kind: held[rank] for kind, held in flat.items()}) for rank, shapes in enumerate(told)
        ]

    def _joined(self, mine: Sequence[torch.Tensor], kind: str, counts: Sequence[int]) -> list[torch.Tensor]:
        """Return the flat values of one type of each rank."""
        dtype = getattr(torch, kind.removeprefix("torch."))
        padded = torch.zeros(max(counts), dtype=dtype, device=self._device)
        if mine:
            joined = torch.cat([one.to(self._device) for one in mine])
            padded[: len(joined)] = joined
        found = [torch.empty_like(padded) for _ in counts]
        sent = [one.view(torch.uint8) if dtype == torch.bool else one for one in (padded, *found)]
        self._together(lambda: dist.all_gather(sent[1:], sent[0]))
        return [one[:count] for one, count in zip(found, counts, strict=True)]

    def add_up(self, values: Sequence[torch.Tensor]) -> None:
        self._in_buckets(values, lambda flat: dist.all_reduce(flat, async_op=True))

    def copy_first(self, values: Sequence[torch.Tensor]) -> None:
        self._in_buckets(values, lambda flat: dist.broadcast(flat, 0, async_op=True))

    def _in_buckets(self, values: Sequence[torch.Tensor], send: Callable[[torch.Tensor], Any]) -> None:
        """Send values joined to buckets of one type, all under way at once, and copy back what came."""
        buckets = list(_buckets(values))
        flat = [torch.cat([one.detach().to(self._device).reshape(-1) for one in bucket]) for bucket in buckets]

        def send_all() -> None:
            for work in [send(one) for one in flat]:
                work.wait()

        self._together(send_all)
        with torch.no_grad():
            for bucket, joined in zip(buckets, flat, strict=True):
                for one, part in zip(bucket, torch.split(joined, [one.numel() for one in bucket]), strict=True):
                    one.copy_(part.view(one.shape))

    def _together(self, act: Callable[[], object]) -> None:
        """Do what all ranks do at once. Raises `RankLostError` if one of them is gone."""
        with self.losses_noticed():
            act()

    @contextmanager
    def losses_noticed(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if not _of_connection(error):
                raise
            raise self._roll.loss() from error


def _of_connection(error: RuntimeError) -> bool:
    """Return whether an error is one of the connection; in a backward pass it comes as any `RuntimeError`."""
    words = ("gloo", "nccl", "connection", "process group")
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in words)


def _numel(shape: Sequence[int]) -> int:
    return torch.Size(shape).numel()


def _shaped(shapes: Sequence[tuple[str, tuple[int, ...]]], flat: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Return the tensors that were laid one after the other, by type."""
    found, start = [], dict.fromkeys(flat, 0)
    for kind, shape in shapes:
        end = start[kind] + _numel(shape)
        found.append(flat[kind][start[kind] : end].view(shape))
        start[kind] = end
    return found


def _buckets(values: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Yield the tensors in turn, those of one type together, some millions of numbers at a time."""
    for kind in dict.fromkeys(one.dtype for one in values):
        bucket: list[torch.Tensor] = []
        for one in (one for one in values if one.dtype == kind):
            if bucket and sum(held.numel() for held in bucket) + one.numel() > _BUCKET:
                yield bucket
                bucket = []
            bucket.append(one)
        yield bucket


@contextmanager
def connected_ranks(device: torch.device) -> Iterator[Ranks]:
    """Yield the processes that torchrun has started, connected until the block ends; without it, one alone.

    Raises `FdakitError` if they cannot be connected.
    """
    if asked_ranks() == 1:
        yield Ranks()
        return
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.set_device(device)
    try:
        store, rank, size = next(rendezvous("env://", timeout=_MEETING))
        count = store.add(f"connections of rank {rank}", 1)  # a script may make several runs, one after another
        store = PrefixStore(f"run {count}", store)
        roll = RankRoll(PrefixStore("fdakit", store), rank=rank, size=size)
        dist.init_process_group(
            "nccl" if cuda else "gloo",
            store=PrefixStore("torch", store),
            rank=rank,
            world_size=size,
            timeout=_LONG,
            device_id=device if cuda else None,
        )
    except (RuntimeError, ValueError) as error:
        said = str(error).strip().partition("\n")[0]
        raise FdakitError(
            f"WORLD_SIZE={asked_ranks()}: the processes of this run cannot be connected ({said}); start them with "
            "torchrun, or unset WORLD_SIZE"
        ) from error
    try:
        yield ProcessRanks(device, roll)
    except Exception as error:
        if not isinstance(error, RankLostError | ToldError):
            roll.leave(error)
        raise
    finally:
        dist.destroy_process_group()
