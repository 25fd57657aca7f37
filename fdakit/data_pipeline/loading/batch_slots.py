"""Memory of batches, used in turn: a batch is written straight into its slot, which is free again once it is dropped.

A slot counts as held as long as any tensor of its batch exists, however it was sliced. Who holds many batches at once
gets copies, so that slots stay few.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fdakit.errors import FdakitError
from fdakit.system.shared_memory import SharedBlock

from .batch_memory import BatchLayout, Views
from .pinned_memory import PinnedMemory

Share = Callable[[int, Any, SharedBlock | None], None]
_HELD = 3  # slots that a caller may hold: the batch in use, the next, and one on its way to the device


class Slot:
    """The memory of one batch; `number` names it in requests, `views` are its arrays."""

    def __init__(self, number: int, layout: BatchLayout, memory: Any, pinned: PinnedMemory) -> None:
        self.number = number
        self.views: Views = layout.views(memory)
        self._layout, self._memory, self._pinned = layout, memory, pinned
        self._reader: Callable[[], NDArray[np.uint8] | None] = lambda: None
        self.filling = False

    @property
    def held(self) -> bool:
        """Whether tensors of it exist."""
        return self._reader() is not None

    def tensors(self, names: Sequence[str], count: int) -> dict[str, torch.Tensor]:
        """Return the first `count` rows of its arrays as tensors; while one of them exists, the slot is held."""
        flat = np.frombuffer(self._memory, np.uint8)
        self._reader = weakref.ref(flat)
        whole = torch.from_numpy(flat)  # whose storage refers to `flat`, and so do all tensors cut from it
        found = {}
        for start, end, name, shape, dtype in self._layout.places():
            if name in names:
                self._pinned.pin(self.views[name])
                kind = torch.float32 if dtype == np.float32 else torch.uint8
                found[name] = whole[start:end].view(kind).view(shape)[:count]
        return found


class BatchSlots:
    """The slots of a data set's batches. Each new one is announced: `share(number, memory, block)`.

    The memory is a block to be sent to workers if it is used `across` processes.
    """

    def __init__(self, layout: BatchLayout, *, share: Share, across: bool, pinned: PinnedMemory) -> None:
        self._layout, self._share, self._across, self._pinned = layout, share, across, pinned
        self._slots: list[Slot] = []

    def __len__(self) -> int:
        return len(self._slots)

    def take(self) -> Slot:
        """Return a slot that nobody uses, to be filled."""
        free = (slot for slot in self._slots if not slot.filling and not slot.held)
        slot = next(free, None) or self._made()
        slot.filling = True
        return slot

    def hand_out(self, slot: Slot, names: Sequence[str], count: int) -> dict[str, torch.Tensor]:
        """Return the first `count` rows of a filled slot's arrays: its memory, or copies if many slots are held."""
        slot.filling = False
        crowded = sum(one.held for one in self._slots) >= _HELD
        found = slot.tensors(names, count)
        return {name: values.clone() for name, values in found.items()} if crowded else found

    def _made(self) -> Slot:
        size = self._layout.size
        try:
            block = SharedBlock(size) if self._across else None
            memory = np.empty(size, np.uint8) if block is None else block.buffer
        except (OSError, MemoryError) as error:
            raise FdakitError(
                f"loader.prefetch: no memory for a batch of {size / 1e6:,.0f} MB ({error}); lower loader.prefetch or "
                "the batch size"
            ) from error
        self._slots.append(Slot(len(self._slots), self._layout, memory, self._pinned))
        self._share(self._slots[-1].number, memory, block)
        return self._slots[-1]
