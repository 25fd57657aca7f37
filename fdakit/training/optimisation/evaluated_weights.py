"""The weights that are validated and saved, where they are not those that train.

Either an exponential moving average of the weights (`train.ema`), or what an optimiser averages itself: a
schedule-free one (Defazio et al., *The Road Less Scheduled*, arXiv 2405.15682) trains at one point and is evaluated
at another, between which its own `train()` and `eval()` go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from fdakit.errors import RecipeError
from fdakit.system.sharded_tensors import is_sharded, sharded_as

from .grouped_optimiser import GroupedOptimiser


class EvaluatedWeights:
    """Switches between the weights that train and those that are evaluated, and back to the bit.

    `averaged` are the weights of which an average with `decay` is kept: none with a decay of 0. Raises `RecipeError`
    if the optimiser averages too.
    """

    def __init__(self, averaged: Sequence[nn.Parameter], optimiser: GroupedOptimiser, *, decay: float) -> None:
        if decay and optimiser.averages:
            raise RecipeError(
                f"train.ema: found {decay}, but {optimiser.label} averages weights itself; leave train.ema out"
            )
        self._weights = optimiser.weights
        self._averaged = [weight for weight in averaged if weight.requires_grad] if decay else []
        self._optimiser, self._decay = optimiser, decay
        self._average: list[torch.Tensor] = []
        self._aside: list[torch.Tensor] | None = None
        optimiser.switch(training=True)

    @property
    def apart(self) -> bool:
        """Whether the evaluated weights are others than those that train."""
        return bool(self._decay) or self._optimiser.averages

    @property
    def note(self) -> str:
        """What is to be said of the evaluated weights beside their choice; "" if they are those that train."""
        if self._decay:
            return f"weights averaged by train.ema = {self._decay:g}"
        return f"weights averaged by {self._optimiser.label}" if self.apart else ""

    @torch.no_grad()
    def step_taken(self) -> None:
        """Take the weights after a step into the average, which begins with those of the first."""
        if not self._averaged:
            return
        if self._average:
            average: Any = get_ema_multi_avg_fn(self._decay)  # type: ignore[no-untyped-call]
            for kind in (False, True):  # torch averages no divided tensors beside whole ones
                mine = [k for k, weight in enumerate(self._averaged) if is_sharded(weight) is kind]
                if mine:
                    average([self._average[k] for k in mine], [self._averaged[k] for k in mine], 1)
        else:
            self._average = [weight.detach().clone() for weight in self._averaged]

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Put the evaluated weights in place inside the block, also of nested ones."""
        if not self.apart or self._aside is not None:
            yield
            return
        self._aside = [weight.detach().clone() for weight in self._weights]
        self._optimiser.switch(training=False)
        _copy(self._average, self._averaged)
        try:
            yield
        finally:
            self._optimiser.switch(training=True)
            _copy(self._aside, self._weights)
            self._aside = None

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs beside the evaluated weights; inside `shown`, as those are what is saved."""
        if not self.apart:
            return {}
        if self._aside is None:
            raise RuntimeError("the state of a training was asked for while its evaluated weights were not in place")
        return {"training_weights": self._aside, "averaging": bool(self._average)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state()`, after the evaluated weights and the optimiser's state were loaded."""
        if not self.apart:
            return
        if state.get("averaging"):
            self._average = [weight.detach().clone() for weight in self._averaged]
        self._optimiser.switch(training=True)
        _copy(state.get("training_weights", ()), self._weights)


@torch.no_grad()
def _copy(values: Sequence[torch.Tensor], weights: Sequence[torch.Tensor]) -> None:
    """Copy values into weights; nothing where there are none. Raises `ValueError` for other numbers of them."""
    if values:
        for value, weight in zip(values, weights, strict=True):
            weight.copy_(sharded_as(weight, value))
