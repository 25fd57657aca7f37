"""The learning rate over a training."""

from __future__ import annotations

import math


def lr_factor(step: int, steps: int, *, warmup: float, schedule: str) -> float:
    """Return the learning rate factor: a linear warm-up, then cosine decay to 0 or constant."""
    rise = math.ceil(round(steps * warmup, 6))  # 0.07 of 100 steps are 7, and not 7.000000000000001
    if step < rise:
        return (step + 1) / rise
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
