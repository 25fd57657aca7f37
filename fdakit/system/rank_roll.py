"""Who the processes of a run are, so that one that has ended can be named."""

from __future__ import annotations

import os
import socket
import time

from torch.distributed import Store  # type: ignore[attr-defined]

_PATIENCE = 5.0  # seconds for the others to notice the loss too
_PAUSE = 0.1


class RankRoll:
    """A list of all ranks in the store by which torchrun connects them: host and process id of each."""

    def __init__(self, store: Store, *, rank: int, size: int) -> None:
        self._store, self._rank, self._size = store, rank, size
        self._store.set(f"rank {rank}", f"process {os.getpid()} on {socket.gethostname()}")

    def loss(self) -> str:
        """Return which ranks are gone, in words: those that do not answer within some seconds."""
        try:
            gone = self._absent()
        except RuntimeError:  # the store went with one of them
            gone = []
        named = "; ".join(gone) or "another process"
        return f"this run cannot go on with {self._size} processes: {named} has ended"

    def _absent(self) -> list[str]:
        self._store.set(f"alive {self._rank}", "yes")
        deadline = time.monotonic() + _PATIENCE
        missing = [rank for rank in range(self._size) if rank != self._rank]
        while missing and time.monotonic() < deadline:
            missing = [rank for rank in missing if not self._store.check([f"alive {rank}"])]
            time.sleep(_PAUSE)
        return [f"rank {rank} ({self._store.get(f'rank {rank}').decode()})" for rank in missing]
