"""How fast a training goes: its seconds, those spent waiting for batches, and its clips, counted over all ranks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from fdakit.training.shares import SharedBatch


class Pace:
    """Counts while batches are trained on; validation and saving between epochs do not count."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.clips = 0
        self._past, self._begun = 0.0, 0.0

    @property
    def seconds(self) -> float:
        """The seconds of all epochs so far, the current one included."""
        return self._past + (time.perf_counter() - self._begun if self._begun else 0.0)

    def counted(self, batches: Iterable[SharedBatch]) -> Iterator[SharedBatch]:
        """Yield the batches of an epoch; the time until each comes is waited."""
        self._begun = asked = time.perf_counter()
        try:
            for batch in batches:
                self.waited += time.perf_counter() - asked
                self.clips += len(batch.whole.ids)
                yield batch
                asked = time.perf_counter()
        finally:
            self._past, self._begun = self.seconds, 0.0
