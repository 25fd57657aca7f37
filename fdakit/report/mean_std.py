"""Mean and standard deviation over seeds, defined alike for every table, file and figure."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import mean, stdev

from fdakit.system.json_records import JsonRecord


class MeanStd(JsonRecord):
    """The mean of a metric over seeds, and its standard deviation (n - 1): None, never 0, for a single seed."""

    mean: float
    sd: float | None

    @classmethod
    def of(cls, values: Iterable[float]) -> MeanStd:
        """Return mean and deviation of the values, one a seed, at least one."""
        found = [float(value) for value in values]
        return cls(mean=mean(found), sd=stdev(found) if len(found) > 1 else None)

    def text(self, *, digits: int = 1, sign: str = "±") -> str:
        """Return the mean and, if there are several seeds, its deviation."""
        return f"{self.mean:.{digits}f}" + ("" if self.sd is None else f" {sign} {self.sd:.{digits}f}")
