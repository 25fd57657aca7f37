"""Memory of batches: used again when nobody refers to it, never before, and never much of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fdakit.data_pipeline.loading.batch_memory import BatchLayout, ClipContents
from fdakit.data_pipeline.loading.batch_slots import BatchSlots
from fdakit.data_pipeline.loading.pinned_memory import PinnedMemory
from fdakit.system.shared_memory import SharedBlock

LAYOUT = BatchLayout(ClipContents(length=2, size=4, controls=("none",)), clips=3)
NAMES = ("frames", "levels none")
Tensors = dict[str, torch.Tensor]


@pytest.fixture(params=[False, True], ids=["here", "across"])
def slots(request: pytest.FixtureRequest) -> BatchSlots:
    def share(number: int, memory: Any, block: SharedBlock | None) -> None:
        assert (block is not None) == request.param

    return BatchSlots(LAYOUT, share=share, across=request.param, pinned=PinnedMemory(torch.device("cpu")))


def filled(slots: BatchSlots, value: int, count: int = 3) -> Tensors:
    slot = slots.take()
    for name in NAMES:
        slot.views[name][:] = value
    return slots.hand_out(slot, NAMES, count)


def test_a_batch_has_the_arrays_that_were_written(slots: BatchSlots) -> None:
    found = filled(slots, 7, count=2)
    assert {name: (values.shape, values.dtype) for name, values in found.items()} == {
        "frames": ((2, 2, 3, 4, 4), torch.uint8),
        "levels none": ((2, 2, 4, 4), torch.uint8),
    }
    assert all((values == 7).all() and values.is_contiguous() for values in found.values())


@pytest.mark.parametrize("keep", ["all of it", "an array", "a pixel of it", "an array of numpy"])
def test_what_is_held_is_not_written_over(slots: BatchSlots, keep: str) -> None:
    batch = filled(slots, 1)
    kept: Any = {
        "all of it": batch,
        "an array": batch["levels none"],
        "a pixel of it": batch["frames"][2, 1, 0, 3, 3],
        "an array of numpy": batch["frames"].permute(0, 1, 3, 4, 2).numpy()[1:],
    }[keep]
    del batch
    for value in range(2, 9):
        filled(slots, value)
    values = kept.values() if isinstance(kept, dict) else [kept]
    assert all((np.asarray(one) == 1).all() for one in values)


def test_memory_is_used_in_turn_by_who_drops_batches(slots: BatchSlots) -> None:
    places, batch = set(), None
    for value in range(9):
        batch = filled(slots, value)
        places.add(batch["frames"].data_ptr())
    assert len(places) == 2


def test_who_keeps_all_batches_gets_copies_and_little_memory_is_taken(slots: BatchSlots) -> None:
    kept = [filled(slots, value) for value in range(20)]
    assert all((values == value).all() for value, batch in enumerate(kept) for values in batch.values())
    assert len(slots) == 4


def test_a_slot_being_filled_is_no_other_batchs(slots: BatchSlots) -> None:
    assert slots.take() is not slots.take()
