"""Pinned memory: a GPU copies from it while the processor goes on. Untried on a GPU."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

from fdakit.errors import FdakitError


class PinnedMemory:
    """Pins arrays, once each, if `device` is a CUDA device; else does nothing."""

    def __init__(self, device: torch.device) -> None:
        self._wanted = device.type == "cuda"
        self._pinned: dict[int, NDArray[Any]] = {}  # by address

    def pin(self, array: NDArray[Any]) -> None:
        """Pin an array that begins a page of memory. Raises `FdakitError` if CUDA refuses."""
        if not self._wanted or array.ctypes.data in self._pinned:
            return
        code = int(_runtime().cudaHostRegister(array.ctypes.data, array.nbytes, 0))
        if code:
            raise FdakitError(
                f"loader.prefetch: {array.nbytes / 1e6:,.0f} MB of memory cannot be pinned (CUDA error {code}); "
                "lower loader.prefetch, or raise the limit of locked memory (`ulimit -l`)"
            )
        self._pinned[array.ctypes.data] = array

    def release(self) -> None:
        """Unpin all arrays, once no copy is under way."""
        if self._pinned:
            torch.cuda.synchronize()
        for address in self._pinned:
            _runtime().cudaHostUnregister(address)
        self._pinned.clear()


def _runtime() -> Any:
    return torch.cuda.cudart()  # type: ignore[no-untyped-call]
