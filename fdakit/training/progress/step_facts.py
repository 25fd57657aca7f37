"""What observers are told of a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from fdakit.plugin.abilities import HasScale
from fdakit.plugin.observers import StepInfo
from fdakit.system.memory import used_memory
from fdakit.training.step_losses import StepLosses

from .pace import Pace


def step_facts(
    losses: StepLosses, objectives: Sequence[Any], pace: Pace, *, device: torch.device, **known: Any
) -> StepInfo:
    """Return the facts of a step; losses and scale are fetched from the device together, which waits for it.

    `known` are the fields of `StepInfo` that need no device.
    """
    names = list(losses.by_name)
    scales = [_scale(part, losses.total) for part in objectives if isinstance(part, HasScale)][:1]
    fetched = torch.stack([losses.total.detach(), *losses.by_name.values(), *scales]).tolist()
    return StepInfo(
        **known,
        loss=fetched[0],
        losses=dict(zip(names, fetched[1 : 1 + len(names)], strict=True)),
        scale=fetched[-1] if scales else None,
        seconds=pace.seconds,
        waited=pace.waited,
        clips=pace.clips,
        memory=used_memory(device),
    )


def _scale(part: HasScale, like: torch.Tensor) -> torch.Tensor:
    """Return the factor of an objective as a scalar on the device of the losses; NaN if it is none."""
    scale: Any = part.scale
    scalar = isinstance(scale, int | float) or (isinstance(scale, torch.Tensor) and scale.numel() == 1)
    return torch.as_tensor(scale if scalar else torch.nan).detach().to(like).reshape(())
