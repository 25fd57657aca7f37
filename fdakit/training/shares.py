"""The pairs of a batch that each rank reads and encodes, and what it knows of those of the others.

A rank takes whole chunks, as draws are keyed by the chunk of the whole batch: with `train.micro_batch` set, they do
not depend on the number of ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch

from fdakit.data_pipeline.loaded_batch import LoadedBatch, rows_of
from fdakit.data_pipeline.travelling_alphas import as_held
from fdakit.errors import FdakitError, ToldError
from fdakit.system.ranks import Ranks

# Too large to be told, known to all, or of no use to the others.
_APART = ("frames", "alphas", "neighbours", "luma", "partners", "extra", "tokens")


@dataclass(frozen=True)
class Shares:
    """The division of `count` pairs into chunks of `size`, and of the chunks over `ranks`."""

    count: int
    size: int
    ranks: int

    @classmethod
    def of(cls, count: int, *, micro_batch: int | None, ranks: int) -> Shares:
        """Return chunks of `micro_batch` pairs; without it, one for each rank."""
        whole = -(-count // ranks)
        return cls(count, max(1, whole if micro_batch is None else min(micro_batch, whole)), ranks)

    def chunks(self, rank: int) -> range:
        """Return the numbers of a rank's chunks, of which it may have none."""
        total = -(-self.count // self.size)
        return range(rank * total // self.ranks, (rank + 1) * total // self.ranks)

    def places(self, rank: int) -> slice:
        """Return a rank's pairs."""
        chunks = self.chunks(rank)
        return slice(chunks.start * self.size, min(chunks.stop * self.size, self.count))


@dataclass(frozen=True)
class Chunk:
    """Pairs that the towers hold at once: `number` is that of the chunk of the whole batch, `rows` those in it."""

    number: int
    batch: LoadedBatch
    rows: slice

    @property
    def is_blank(self) -> bool:
        """Whether it is encoded only because other ranks encode, and belongs to no pair."""
        return not range(self.rows.start, self.rows.stop)

    def blank(self) -> Chunk:
        """Return a blank chunk with this one's first pair."""
        return Chunk(self.number, rows_of(self.batch, slice(0, 1)), slice(0, 0))


@dataclass(frozen=True)
class SharedBatch:
    """A batch as one rank has it: its chunks, and `whole`, all pairs, with several ranks without their pixels."""

    whole: LoadedBatch
    chunks: tuple[Chunk, ...]
    chunk_counts: tuple[int, ...]  # chunks of each rank


def share(own: LoadedBatch | BaseException, shares: Shares, ranks: Ranks) -> SharedBatch:
    """Return the whole batch of which each rank has loaded its own pairs.

    Raises the error that a rank brings instead on all.
    """
    told: list[dict[str, Any]] = []
    for found in ranks.objects(own if isinstance(own, BaseException) else _words(own)):
        if isinstance(found, FdakitError):
            raise found if found is own or ranks.leads else ToldError(str(found))
        if isinstance(found, BaseException):
            raise found
        told.append(found)
    assert isinstance(own, LoadedBatch)
    counts = tuple(len(found["ids"]) for found in told)
    whole = own if ranks.size == 1 else _joined(told)
    chunks = tuple(_chunks(own, shares, ranks.rank, sum(counts[: ranks.rank])))
    places = (found["places"] or range(len(found["ids"])) for found in told)
    return SharedBatch(whole, chunks, tuple(len({place // shares.size for place in of}) for of in places))


def _words(own: LoadedBatch) -> dict[str, Any]:
    """Return what a batch tells the other ranks of itself; of its pixels their shape alone."""
    words = {f.name: getattr(own, f.name) for f in fields(own) if f.name not in _APART}
    alphas = {name: _hollow(one, torch.float32) for name, one in as_held(own.alphas).items()}  # as they are looked up
    return words | {"frames": _hollow(own.frames, own.frames.dtype), "alphas": alphas}


def _hollow(pixels: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty((0, *pixels.shape[1:]), dtype=dtype, device="meta")


def _chunks(own: LoadedBatch, shares: Shares, rank: int, start: int) -> list[Chunk]:
    """Return the chunks of a rank's pairs; those that were lost are missing from theirs."""
    places = own.places or tuple(range(len(own.ids)))
    found = []
    first = 0
    for turn, number in enumerate(shares.chunks(rank)):
        count = sum(turn * shares.size <= place < (turn + 1) * shares.size for place in places)
        rows = slice(first, first := first + count)
        if count:
            part = own if count == len(own.ids) else rows_of(own, rows)
            found.append(Chunk(number, part, slice(start + rows.start, start + rows.stop)))
    return found


def _joined(told: Sequence[dict[str, Any]]) -> LoadedBatch:
    """Return the pairs of all ranks; their pixels are of the right shape, and hold nothing."""
    known = [found for found in told if found["ids"]]
    first = (known or told)[0]
    joined = {name: sum((found[name] for found in told), ()) for name in ("ids", "texts", "lost", "notes")}
    joined |= {name: torch.cat([found[name] for found in known]) for name in ("valid", "times") if known}
    joined["repaired"] = {name: fault for found in told for name, fault in found["repaired"].items()}
    count = len(joined["ids"])
    frames = first["frames"].new_empty((count, *first["frames"].shape[1:]))
    alphas = {name: one.new_empty((count, *one.shape[1:])) for name, one in first["alphas"].items()}
    return LoadedBatch(**{**first, **joined, "frames": frames, "alphas": alphas, "places": ()})
