"""A copy of a model and of its training's state on the CPU, which further training leaves alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from fdakit.model.preprocess_record import preprocess_header
from fdakit.model.retriever import Retriever
from fdakit.system.sharded_tensors import whole


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint holds: the weights by name, the header of their file, and the training state, if any."""

    weights: Mapping[str, torch.Tensor]
    header: Mapping[str, str]
    state: Mapping[str, Any] | None


def take_snapshot(
    retriever: Retriever, state: Mapping[str, Any] | None = None, *, into: Snapshot | None = None
) -> Snapshot:
    """Return copies of a retriever's weights and of a training state; what is divided over ranks is gathered.

    Memory of `into`, a former snapshot of the same training that nobody needs any more, is used again.
    """
    return Snapshot(
        weights=_copied(retriever.state_dict(), into and into.weights),
        header=preprocess_header(retriever.preprocess),
        state=_copied(state, into and into.state),
    )


def _copied(value: Any, former: Any) -> Any:
    """Return a copy of nested mappings, lists and tuples, with every tensor on the CPU."""
    if isinstance(value, torch.Tensor):
        return _copied_tensor(value.detach(), former)
    if isinstance(value, dict):
        known = former if isinstance(former, dict) else {}
        fresh = copy.copy(value)  # with the versions that torch notes on a state
        for key, item in value.items():
            fresh[key] = _copied(item, known.get(key))
        return fresh
    if type(value) in (list, tuple):
        before = former if type(former) is type(value) and len(former) == len(value) else [None] * len(value)
        return type(value)(_copied(item, old) for item, old in zip(value, before, strict=True))
    return copy.deepcopy(value)


def gather_for_others(retriever: Retriever, state: Mapping[str, Any]) -> None:
    """Take part in gathering what is divided over ranks, for a snapshot that another rank takes."""
    _gathered(retriever.state_dict())
    _gathered(state)


def _gathered(value: Any) -> None:
    """Gather the tensors in nested mappings, lists and tuples in the order in which `_copied` does, and drop them."""
    if isinstance(value, torch.Tensor):
        whole(value)
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            _gathered(item)


def _copied_tensor(value: torch.Tensor, former: Any) -> torch.Tensor:
    value = whole(value)
    if value.layout != torch.strided or type(value) is not torch.Tensor:
        return value.cpu().clone()
    reusable = isinstance(former, torch.Tensor) and former.shape == value.shape and former.dtype == value.dtype
    if not reusable:
        former = torch.empty(value.shape, dtype=value.dtype, device="cpu", pin_memory=value.is_cuda)
    copied: torch.Tensor = former.copy_(value)
    return copied
