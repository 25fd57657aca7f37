"""The processes of a run, as torchrun starts them: their number, and what they tell each other.

`Ranks` itself is one process alone. Its subclasses, `fdakit.system.process_ranks.ProcessRanks` and
`fdakit.testing.ThreadRanks`, answer the same questions for several, so that whoever asks need not know how many there
are. Every method but the properties is called by all ranks, in the same order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from fdakit.errors import FdakitError, PartError, ToldError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class Ranks:
    """One process alone."""

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        return 0

    @property
    def size(self) -> int:
        """The number of processes."""
        return 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes, observes and reports."""
        return self.rank == 0

    @property
    def connected(self) -> bool:
        """Whether torch.distributed connects the ranks, so that its engines can be used."""
        return False

    def objects(self, value: T) -> list[T]:
        """Return the value of each rank, in order; values are pickled."""
        return [value]

    def at_first(self, value: T) -> list[T] | None:
        """Return the value of each rank, in order, on rank 0; None on the others. Values are pickled."""
        return [value]

    def tensors(self, own: Sequence[torch.Tensor]) -> list[list[torch.Tensor]]:
        """Return the tensors of each rank, in order, without gradient; shapes and number may differ among ranks."""
        return [[one.detach() for one in own]]

    def add_up(self, values: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its sum over the ranks; all have the same shapes."""

    def copy_first(self, values: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by that of rank 0."""

    def by_first(self, act: Callable[[], T]) -> T:
        """Return what `act()` gives on rank 0, where alone it is called. Raises its `FdakitError` on all."""
        try:
            own: Any = act() if self.leads else None
        except FdakitError as error:
            own = error
        found = self.objects(own)[0]
        if isinstance(found, FdakitError):
            raise own if self.leads else ToldError(str(found), by_part=isinstance(found, PartError))
        result: T = found
        return result

    def first_alone(self, act: Callable[[], T]) -> T:
        """Return what `act()` gives on each rank, called on rank 0 first: the others find what it put into caches.

        Raises an `FdakitError` of rank 0 on all.
        """
        if not self.leads:
            said, by_part = self.objects(("", False))[0]
            if said:
                raise ToldError(said, by_part=by_part)
            return act()
        try:
            found = act()
        except FdakitError as error:
            self.objects((str(error) or type(error).__name__, isinstance(error, PartError)))
            raise
        self.objects(("", False))
        return found

    @contextmanager
    def losses_noticed(self) -> Iterator[None]:
        """Raise `RankLostError` if what an engine of torch.distributed does in the block fails as a rank is gone."""
        yield

    def wait(self) -> None:
        """Wait until every rank has come here."""
        self.objects(None)


def asked_ranks() -> int:
    """Return how many processes torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def asked_rank() -> int:
    """Return the number that torchrun gave this process; 0 without it."""
    return int(os.environ.get("RANK", "0")) if asked_ranks() > 1 else 0
