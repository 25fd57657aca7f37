"""Who the processes of a run are, so that one that has ended can be named."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

from torch.distributed import Store  # type: ignore[attr-defined]

from fdakit.errors import FdakitError, PartError, RankLostError, ToldError

_PATIENCE = 5.0  # seconds for the others to notice the loss too
_PAUSE = 0.1


class RankRoll:
    """A list of all ranks in the store by which torchrun connects them: host and process id of each."""

    def __init__(self, store: Store, *, rank: int, size: int) -> None:
        self._store, self._rank, self._size = store, rank, size
        self._store.set(f"rank {rank}", f"process {os.getpid()} on {socket.gethostname()}")

    def leave(self, error: BaseException) -> None:
        """Leave word of the error by which this rank ends."""
        with suppress(RuntimeError):  # the store is gone
            by_part = "part" if isinstance(error, PartError) else ""
            self._store.set(f"error {self._rank}", f"{by_part}:{error}" if f"{error}" else f":{type(error).__name__}")

    def loss(self) -> FdakitError:
        """Return the error by which another rank has ended, or else which ranks do not answer within some seconds."""
        try:
            if error := self._left():
                return error
            gone = self._absent()
            if error := self._left():
                return error
        except RuntimeError:  # the store went with one of them
            gone = []
        named = "; ".join(gone) or "another process"
        return RankLostError(f"this run cannot go on with {self._size} processes: {named} has ended")

    def _left(self) -> FdakitError | None:
        """Return the error of which another rank has left word; that of rank 0 it tells itself."""
        for rank in range(self._size):
            if rank != self._rank and self._store.check([f"error {rank}"]):
                by_part, _, said = self._store.get(f"error {rank}").decode().partition(":")
                if rank == 0:
                    return ToldError(said, by_part=bool(by_part))
                return FdakitError(f"rank {rank} failed: {said}")
        return None

    def _absent(self) -> list[str]:
        self._store.set(f"alive {self._rank}", "yes")
        deadline = time.monotonic() + _PATIENCE
        missing = [rank for rank in range(self._size) if rank != self._rank]
        while missing and time.monotonic() < deadline:
            missing = [rank for rank in missing if not self._store.check([f"alive {rank}"])]
            time.sleep(_PAUSE)
        return [f"rank {rank} ({self._store.get(f'rank {rank}').decode()})" for rank in missing]
