"""The table of an ablation, ablate.json, as a frozen value."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Annotated, Literal

from pydantic import AfterValidator

from fdakit.plugin.contracts import Direction
from fdakit.system.json_records import Count, JsonRecord

from .evaluation_report import Report, in_direction
from .sweep_tables import METRICS, FailedRun


class SystemCost(JsonRecord):
    """What a system costs: weights in all and those trained; of a video of so many `frames` the operations and
    seconds of encoding it, and the bytes that an index keeps in float32, None if the matcher sees the video again.

    Seconds are of this device, with so many threads.
    """

    parameters: Count
    trained: Count
    frames: Count
    flops: float
    encode_seconds: float
    index_bytes: Count | None
    device: str
    threads: Count
    torch: str

    def dumped(self) -> str:
        """Return it as JSON text."""
        return json.dumps(self.to_json(), indent=2)


class Estimate(JsonRecord):
    """A metric with its 95% interval: of the mean over seeds, or over resampled queries for a single seed.

    `low` and `high` are None if there is neither: a single seed without a bootstrap.
    """

    mean: float
    sd: float | None
    low: float | None
    high: float | None
    over: Literal["seeds", "queries"]

    def text(self) -> str:
        """Return the mean with its interval in brackets."""
        interval = "" if self.low is None or self.high is None else f" [{self.low:.1f}, {self.high:.1f}]"
        return f"{self.mean:.1f}{interval}"


class AblationCell(JsonRecord):
    """One system on one data set: `protocol` names data, split and rules; finished runs `of` those asked for."""

    system: str
    data: str
    protocol: str
    finished: Count
    of: Count
    t2v: Mapping[str, Estimate]
    v2t: Mapping[str, Estimate]
    cost: SystemCost | None


class Ablation(JsonRecord):
    """Every system on every data set, and the runs that failed."""

    seeds: Annotated[Sequence[int], AfterValidator(tuple)]
    cells: Annotated[Sequence[AblationCell], AfterValidator(tuple)]
    failed: Annotated[Sequence[FailedRun], AfterValidator(tuple)] = ()


def ablation_cell(
    system: str, data: str, *, protocol: str, reports: Sequence[Report], asked: int, cost: SystemCost | None
) -> AblationCell:
    """Return the cell of the reports of one system's seeds, at least one."""
    both = {way: {metric: _estimate(reports, way, metric) for metric in METRICS} for way in ("t2v", "v2t")}
    return AblationCell(
        system=system,
        data=data,
        protocol=protocol,
        finished=len(reports),
        of=asked,
        t2v=both["t2v"],
        v2t=both["v2t"],
        cost=cost,
    )


def _estimate(reports: Sequence[Report], way: Direction, metric: str) -> Estimate:
    values = [float(in_direction(report, way)[metric]) for report in reports]
    if len(values) == 1:
        low, high = in_direction(reports[0].ci95, way).get(metric, (None, None))
        return Estimate(mean=values[0], sd=None, low=low, high=high, over="queries")
    return mean_over_seeds(values, bounds=(0, 100) if metric.startswith("R@") else (1, math.inf))


def mean_over_seeds(values: Sequence[float], *, bounds: tuple[float, float]) -> Estimate:
    """Return the mean of two values or more, one a seed, with Student's interval as far as it is within `bounds`."""
    from scipy.special import stdtrit

    middle, sd = mean(values), stdev(values)
    half = float(stdtrit(len(values) - 1, 0.975)) * sd / math.sqrt(len(values))
    low, high = max(bounds[0], middle - half), min(bounds[1], middle + half)
    return Estimate(mean=middle, sd=sd, low=low, high=high, over="seeds")
