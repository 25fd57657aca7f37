"""Laws of batchers, and of what parts give of pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from fdakit.plugin.abilities import GivesExtra
from fdakit.plugin.batching import TrainingPairs, batches_fault

from .building import Part, build_kind

_SIZES = (1, 5, 16, 1000)


def example_pairs() -> TrainingPairs:
    """Return 72 pairs of 24 videos with three captions each, in no order; the last two videos show the first two."""
    places = np.random.default_rng(0).permutation(72)
    videos = places // 3
    ids = tuple(f"video-{number}" for number in videos.tolist())
    texts = tuple(f"caption {place}" for place in places.tolist())
    return TrainingPairs(np.arange(72), videos, np.where(videos >= 22, videos - 22, videos), ids, texts)


def check_batcher(component: Part, **options: Any) -> None:
    """Check the batches that are made of `example_pairs()`, of all and of some: valid, and reproducible.

    Equal arguments give equal batches, whatever was asked before; no batch is larger than asked or has a pair twice,
    and none of an epoch has a pair of another unless `repeats` says so. What it gives in `extra` has a row a pair,
    of that pair alone.
    """
    batcher = build_kind("batcher", component, **options)
    pairs = example_pairs()
    some = pairs.rows(np.arange(0, 72, 2))
    first = {size: _made(batcher, pairs, size) for size in _SIZES}
    for size in _SIZES:
        for these in (pairs, some):
            for epoch in range(3):
                _check_batches(batcher, these, size, epoch)
        _check_same(first[size], _made(batcher, pairs, size))
    if isinstance(batcher, GivesExtra):
        check_extra(batcher, pairs)


def _made(batcher: Any, pairs: TrainingPairs, size: int, epoch: int = 0) -> list[Any]:
    return list(batcher(pairs, size, epoch, np.random.default_rng(epoch)))


def _check_same(first: list[Any], again: list[Any]) -> None:
    same = len(again) == len(first) and all(map(np.array_equal, again, first))
    assert same, "equal arguments gave other batches; draw from the rng alone, and keep nothing between calls"


def _check_batches(batcher: Any, pairs: TrainingPairs, size: int, epoch: int) -> None:
    batches = _made(batcher, pairs, size, epoch)
    _check_same(batches, _made(batcher, pairs, size, epoch))
    fault = batches_fault(batches, count=len(pairs), batch_size=size, repeats=batcher.repeats)
    assert not fault, fault
    assert batches or size > 16, f"no batch of {size} was made of {len(pairs)} pairs"


def check_extra(part: GivesExtra, pairs: TrainingPairs) -> None:
    """Check that every value has a row a pair, which does not depend on the other pairs."""
    whole = part.extra(pairs)
    order = np.random.default_rng(1).permutation(len(pairs))[: len(pairs) // 2]
    some = part.extra(pairs.rows(order))
    for name, value in whole.items():
        assert len(value) == len(pairs), f"extra {name!r} has {len(value)} rows for {len(pairs)} pairs"
        rows = [np.array_equal(value[row], found) for row, found in zip(order.tolist(), some[name], strict=True)]
        assert all(rows), f"extra {name!r} of a pair depends on the other pairs"
