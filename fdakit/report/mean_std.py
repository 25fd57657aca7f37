"""Mean and standard deviation over seeds, defined alike for every table, file and figure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any


@dataclass(frozen=True)
class MeanStd:
    """A metric's values, one a seed, as measured."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean; of one seed its value."""
        return mean(self.values)

    @property
    def sd(self) -> float | None:
        """The standard deviation over seeds (n - 1), None for one seed."""
        return stdev(self.values) if len(self.values) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """Return `mean` and `sd` as stored in files."""
        return {"mean": self.mean, "sd": self.sd}


def format_mean_std(mean: float, sd: float | None, *, sign: str = "±") -> str:
    """Return a mean with one digit, and its deviation if there are several seeds."""
    return f"{mean:.1f}" if sd is None else f"{mean:.1f} {sign} {sd:.1f}"
