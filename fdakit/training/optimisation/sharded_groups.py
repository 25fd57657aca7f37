"""Parameter groups of which some weights are divided over ranks, and the norm of their gradients.

Optimisers work on the weights of a group in one call, in which torch takes no divided tensors beside whole ones, so
that a group with both is given to them as two. Their state is saved as that of the undivided groups: a checkpoint
does not depend on the number of ranks, nor on `train.shard`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any

import torch
from torch import nn

from fdakit.system.sharded_tensors import is_sharded, sharded_as, whole

Group = Mapping[str, Any]


@dataclass(frozen=True)
class _Part:
    """A group as the optimiser has it: the planned group it is of, and the planned numbers of its weights."""

    origin: int
    places: tuple[int, ...]
    weights: tuple[torch.Tensor, ...]


class GroupLayout:
    """The groups of an optimiser as planned, and those with divided and whole weights as two."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._parts: list[_Part] = []
        first = 0
        for origin, group in enumerate(groups):
            weights = group["params"]
            for chosen in _split(weights):
                places = tuple(first + k for k in chosen)
                self._parts.append(_Part(origin, places, tuple(weights[k] for k in chosen)))
            first += len(weights)
        self._places = [place for part in self._parts for place in part.places]
        self._weights = [weight for part in self._parts for weight in part.weights]

    @property
    def weights(self) -> list[torch.Tensor]:
        """The weights, as planned."""
        return [weight for _, weight in sorted(zip(self._places, self._weights, strict=True), key=itemgetter(0))]

    def split_groups(self, groups: Sequence[Group]) -> list[dict[str, Any]]:
        """Return the planned groups as the optimiser is to have them."""
        return [{**groups[part.origin], "params": list(part.weights)} for part in self._parts]

    def joined_state(self, state: Group) -> dict[str, Any]:
        """Return the `state_dict()` of an optimiser as if its groups were those planned."""
        if not any(map(is_sharded, self._weights)):
            return dict(state)
        groups: dict[int, dict[str, Any]] = {}
        for part, group in zip(self._parts, state["param_groups"], strict=True):
            known = groups.setdefault(part.origin, {**group, "params": []})
            known["params"] = sorted([*known["params"], *part.places])
        held = {self._places[k]: values for k, values in state["state"].items()}
        return {**state, "state": held, "param_groups": list(groups.values())}

    def split_state(self, state: Group) -> dict[str, Any]:
        """Return a state of the planned groups for the optimiser, divided as its weights are."""
        if not any(map(is_sharded, self._weights)):
            return dict(state)
        held = {
            k: {name: _divided(weight, value) for name, value in state["state"][place].items()}
            for k, (place, weight) in enumerate(zip(self._places, self._weights, strict=True))
            if place in state["state"]
        }
        numbers = iter(range(len(self._places)))
        groups = [
            {**state["param_groups"][part.origin], "params": list(islice(numbers, len(part.places)))}
            for part in self._parts
        ]
        return {**state, "state": held, "param_groups": groups}


def _split(weights: Sequence[torch.Tensor]) -> list[list[int]]:
    """Return the numbers of the whole and of the divided weights, each list if it has any."""
    kinds = [[k for k, weight in enumerate(weights) if is_sharded(weight) is divided] for divided in (False, True)]
    return [chosen for chosen in kinds if chosen] or [[]]


def _divided(weight: torch.Tensor, value: Any) -> Any:
    """Return a value of an optimiser's state, divided as its weight is if it has a number for each of its."""
    same = isinstance(value, torch.Tensor) and value.shape == weight.shape
    return sharded_as(weight, value) if same else value


def clip_sharded(weights: Sequence[nn.Parameter], clip_norm: float) -> torch.Tensor:
    """Clip gradients, divided and whole ones, to a norm, 0 for no limit; return their norm before that."""
    kinds = [[w for w in weights if w.grad is not None and is_sharded(w) is divided] for divided in (False, True)]
    norms = [whole(nn.utils.get_total_norm([w.grad for w in kind if w.grad is not None])) for kind in kinds if kind]
    norm: torch.Tensor = torch.linalg.vector_norm(torch.stack(norms))
    if clip_norm > 0:
        for kind in kinds:
            nn.utils.clip_grads_with_norm_(kind, clip_norm, norm)
    return norm
