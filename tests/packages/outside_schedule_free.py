"""An optimiser without a schedule: Defazio et al., The Road Less Scheduled, arXiv 2405.15682, as SGD."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, OptimiserFactory, Options, hookimpl


class ScheduleFreeOptions(Options):
    """Its one constant."""

    beta: float = Field(0.9, gt=0, lt=1, description="how near to the mean gradients are taken")


def build(options: ScheduleFreeOptions, shapes: BuildContext) -> OptimiserFactory:
    """Return the factory."""
    from _outside_schedule_free import ScheduleFreeSGD

    return lambda groups: ScheduleFreeSGD([{"params": g["params"], "lr": g["lr"]} for g in groups], beta=options.beta)


SCHEDULE_FREE = Component("schedule-free", "SGD evaluated at a mean", ScheduleFreeOptions, build)


@hookimpl
def fdakit_optimisers() -> Iterable[Component[Any, OptimiserFactory]]:
    return (SCHEDULE_FREE,)
