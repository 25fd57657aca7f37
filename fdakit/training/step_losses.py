"""The losses of a step by name, before weights, and their means over an epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from fdakit.errors import PartError, attribute_errors
from fdakit.features import PairFeatures
from fdakit.inference.factory import WeightedObjective
from fdakit.values import describe

LossesOf = Callable[[int, WeightedObjective], Mapping[str, torch.Tensor]]
"""The losses by name of an objective, given with its place among all."""


@dataclass(frozen=True)
class StepLosses:
    """`total` is the weighted sum, with its gradient; `by_name` the losses before weights, without."""

    total: torch.Tensor
    by_name: Mapping[str, torch.Tensor]


def step_losses(objectives: Sequence[WeightedObjective], losses_of: LossesOf, *, device: torch.device) -> StepLosses:
    """Return the losses of a batch, those of each objective named `<objective>.<loss>`, and their weighted sum."""
    total = torch.zeros((), device=device)
    found: dict[str, torch.Tensor] = {}
    for place, (objective, name) in enumerate(zip(objectives, objective_names(objectives), strict=True)):
        losses = losses_of(place, objective)
        total = total + objective.weight * sum(losses.values())
        found |= {f"{name}.{loss}": value.detach() for loss, value in losses.items()}
    return StepLosses(total, found)


def objective_losses(objective: WeightedObjective, pairs: PairFeatures, *, where: str) -> Mapping[str, torch.Tensor]:
    """Return what an objective gives of some pairs; errors name it and `where`.

    Raises `PartError` if it is not scalar, real losses by name.
    """
    told = f"{objective.label} failed {where}"
    with attribute_errors(objective.label, where):
        losses: Any = objective.part(pairs)
    if not isinstance(losses, Mapping):
        raise PartError(f"{told}: returned {type(losses).__name__}; wanted scalar losses by name")
    for name, loss in losses.items():
        if not isinstance(loss, torch.Tensor) or loss.ndim or not loss.is_floating_point():
            raise PartError(f"{told}: loss {name!r} is {describe(loss)}; wanted a scalar tensor of real numbers")
        if loss.is_meta:
            raise PartError(
                f"{told}: loss {name!r} looks at pixels, of which each process has its own alone; an objective over "
                "single pairs says so by `over` and `count`, see docs/plugins/hooks.md"
            )
    return losses


def objective_names(objectives: Sequence[WeightedObjective]) -> list[str]:
    """Return the objectives' names; the second of one name is `name-2`."""
    names = [objective.name for objective in objectives]
    before = [names[:place].count(name) for place, name in enumerate(names)]
    return [f"{name}-{count + 1}" if count else name for name, count in zip(names, before, strict=True)]


class EpochLosses:
    """Collects the losses of an epoch's steps. Nothing is fetched from the device before the epoch ends."""

    def __init__(self) -> None:
        self._steps: list[StepLosses] = []

    def __len__(self) -> int:
        return len(self._steps)

    def see(self, losses: StepLosses) -> None:
        """Record a step."""
        self._steps.append(StepLosses(losses.total.detach(), losses.by_name))

    def close(self, *, named: bool) -> dict[str, float]:
        """Return the mean of the total as `loss`, with `named` those by name too, over the steps that had them."""
        means = {"loss": float(torch.stack([step.total for step in self._steps]).mean())}
        names = dict.fromkeys(name for step in self._steps for name in step.by_name) if named else {}
        for name in names:
            values = [step.by_name[name] for step in self._steps if name in step.by_name]
            means[name] = float(torch.stack(values).mean())
        self._steps = []
        return means

    def state(self) -> dict[str, Any]:
        """Return plain numbers, for `restore`."""
        found = [loss for step in self._steps for loss in (step.total, *step.by_name.values())]
        numbers = iter(torch.stack(found).tolist() if found else [])  # fetched from the device at once
        totals, named = [], []
        for step in self._steps:
            totals.append(next(numbers))
            named.append({name: next(numbers) for name in step.by_name})
        return {"losses": totals, "named_losses": named}

    def restore(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Continue from a `state()`; older ones have no losses by name."""
        totals = [torch.tensor(loss, device=device) for loss in state["losses"]]
        named = state.get("named_losses", [{}] * len(totals))
        self._steps = [
            StepLosses(total, {name: torch.tensor(loss, device=device) for name, loss in losses.items()})
            for total, losses in zip(totals, named, strict=True)
        ]
