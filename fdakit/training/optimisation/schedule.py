"""The learning rate over a training: a linear warm-up, then one of several schedules, of which timm has most."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from timm.scheduler import PolyLRScheduler, StepLRScheduler, TanhLRScheduler
from timm.scheduler.scheduler import Scheduler

from fdakit.settings import TrainSettings


class Schedule:
    """The factor on all rates at each of `steps` steps, under the keys of `[train]`."""

    def __init__(self, train: TrainSettings, *, steps: int) -> None:
        self._of_bert = (train.warmup, steps) if train.schedule == "bert-cosine" else None
        self._rise = math.ceil(round(steps * train.warmup, 6))  # 0.07 of 100 steps are 7, not 7.000000000000001
        self._after = _after_warmup(train, max(1, steps - self._rise), steps=steps)

    def __call__(self, step: int) -> float:
        """Return the factor at a step, counted from 0: from above 0 to 1, then 1 or less; BertAdam's from 0."""
        if self._of_bert is not None:
            return bert_cosine(step, *self._of_bert)
        if step < self._rise:
            return (step + 1) / self._rise
        return self._after(step - self._rise)


def _after_warmup(train: TrainSettings, left: int, *, steps: int) -> Callable[[int], float]:
    """Return the factor as a function of the steps since the warm-up, of which there are `left` of all `steps`."""
    if train.schedule in ("constant", "bert-cosine"):
        return lambda step: 1.0
    if train.schedule == "cosine":
        return lambda step: 0.5 * (1 + math.cos(math.pi * step / left))
    rate = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    share = max(1, round(steps * train.schedule_share))
    if train.schedule == "tanh":
        return _by_timm(TanhLRScheduler(rate, left, t_in_epochs=False))
    if train.schedule == "step":
        return _by_timm(StepLRScheduler(rate, share, train.schedule_drop, t_in_epochs=False))
    if train.schedule == "poly":
        return _by_timm(PolyLRScheduler(rate, left, train.schedule_power, t_in_epochs=False))
    cooldown = min(share, left)
    falling = _by_timm(PolyLRScheduler(rate, cooldown, train.schedule_power, t_in_epochs=False))
    return lambda step: falling(max(0, step - (left - cooldown)))


def bert_cosine(step: int, warmup: float, steps: int) -> float:
    """Return the factor of BertAdam's `warmup_cosine`, which CLIP4Clip trains with.

    With x the share of all steps that are done: x / warmup before the end of the warm-up, then (1 + cos(pi x)) / 2,
    which drops a little below 1 at once. Source: CLIP4Clip's modules/optimization.py (508ffa3).
    """
    share = step / steps
    return share / warmup if share < warmup else 0.5 * (1 + math.cos(math.pi * share))


def _by_timm(scheduler: Scheduler) -> Callable[[int], float]:
    """Return timm's rate at a step, of an optimiser whose own rate is 1."""

    def factor(step: int) -> float:
        scheduler.step_update(step)
        return float(scheduler.optimizer.param_groups[0]["lr"])

    return factor
