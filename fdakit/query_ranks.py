"""The rank of each query's right answer, as two exact counts, so that every rule for ties can be applied later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from .choices import TieRule
from .errors import nearest


@dataclass(frozen=True, eq=False)
class Ranking:
    """For each query, how many candidates are `better (n,)` and how many others `equal (n,)`, of `pool`.

    Raises `ValueError` if the counts are not int64 of one length or exceed the pool.
    """

    better: NDArray[np.int64]
    equal: NDArray[np.int64]
    pool: int

    def __post_init__(self) -> None:
        for name, counts in (("better", self.better), ("equal", self.equal)):
            if counts.ndim != 1 or counts.dtype != np.int64 or (counts < 0).any():
                raise ValueError(f"{name} {counts.dtype}{counts.shape}; wanted int64 (n,), none below zero")
        if self.better.shape != self.equal.shape:
            raise ValueError(f"better {self.better.shape} beside equal {self.equal.shape}; wanted one length")
        if (self.better + self.equal >= self.pool).any():
            raise ValueError(f"a query counts as many rivals as its pool of {self.pool} holds candidates")

    def __repr__(self) -> str:
        return f"Ranking({self.better.size} queries, pool={self.pool}, tied={self.tied})"

    @property
    def tied(self) -> int:
        """The number of queries whose target shares its score with another candidate."""
        return int(np.count_nonzero(self.equal))

    def ranks(self, ties: TieRule) -> NDArray[np.float64]:
        """Return ranks `(n,)` from 1. Average and expected are both the mean over all orders of tied candidates.

        Raises `ValueError` for an unknown tie rule.
        """
        match ties:
            case "optimistic":
                return np.asarray(1.0 + self.better, np.float64)
            case "pessimistic":
                return np.asarray(1.0 + self.better + self.equal, np.float64)
            case "average" | "expected":
                return np.asarray(1.0 + self.better + self.equal / 2, np.float64)
        raise ValueError(f"unknown tie rule {ties!r}; {nearest(str(ties), get_args(TieRule))}")

    def hits(self, k: int, ties: TieRule) -> NDArray[np.float64]:
        """Return whether the target is among the first k, `(n,)`: 0 or 1, for `expected` its probability.

        Raises `ValueError` for an unknown tie rule or k below 1.
        """
        if k < 1:
            raise ValueError(f"cutoff {k}; wanted 1 or more")
        if ties == "expected":
            return np.clip((k - self.better) / (self.equal + 1), 0.0, 1.0)
        return (self.ranks(ties) <= k).astype(np.float64)

    def reciprocals(self, ties: TieRule) -> NDArray[np.float64]:
        """Return one over the rank `(n,)`; for `expected` its mean over all orders of tied candidates.

        Raises `ValueError` for an unknown tie rule.
        """
        if ties != "expected":
            return np.asarray(1.0 / self.ranks(ties), np.float64)
        last = int((self.better + self.equal).max(initial=0)) + 1
        harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, last + 1))])
        return np.asarray((harmonic[self.better + self.equal + 1] - harmonic[self.better]) / (self.equal + 1))
