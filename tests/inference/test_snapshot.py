"""A snapshot is a copy on the CPU that training leaves alone, and its memory serves again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch

from fdakit.inference.factory import build_retriever
from fdakit.inference.snapshot import take_snapshot
from fdakit.model.retriever import Retriever
from fdakit.recipe.recipe import Recipe

pytestmark = pytest.mark.integration


@pytest.fixture
def retriever(make_recipe: Callable[..., Recipe]) -> Retriever:
    return build_retriever(make_recipe(), device=torch.device("cpu"))


def state_of(step: int) -> dict[str, Any]:
    modules = OrderedDict(weight=torch.full((2, 3), float(step)).t())
    modules._metadata = {"": {"version": 2}}  # type: ignore[attr-defined]
    moments = {0: {"step": torch.tensor(float(step)), "mean": torch.full((4,), float(step))}}
    groups = [{"lr": 0.1 * step, "params": [0], "betas": (0.9, 0.999)}]
    return {"optimiser": {"state": moments, "param_groups": groups}, "modules": modules, "none": None}


def tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for item in items for tensor in tensors(item)]


def test_training_changes_nothing_of_a_snapshot(retriever: Retriever) -> None:
    state = state_of(1)
    snapshot = take_snapshot(retriever, state)
    before = {name: value.clone() for name, value in retriever.state_dict().items()}
    with torch.no_grad():
        for value in (*retriever.parameters(), *tensors(state)):
            value.add_(1)
    state["optimiser"]["param_groups"][0]["params"].append(1)
    assert snapshot.weights.keys() == before.keys()
    assert all(torch.equal(snapshot.weights[name], value) for name, value in before.items())
    assert snapshot.state is not None
    found, wanted = snapshot.state, state_of(1)
    assert all(map(torch.equal, tensors(found), tensors(wanted)))
    assert found["optimiser"]["param_groups"] == wanted["optimiser"]["param_groups"]
    assert type(found["modules"]) is OrderedDict
    assert found["modules"]._metadata == {"": {"version": 2}}
    assert all(tensor.is_contiguous() and not tensor.requires_grad for tensor in tensors(found))


def test_the_memory_of_a_former_snapshot_is_used_again_where_it_fits(retriever: Retriever) -> None:
    former = take_snapshot(retriever, state_of(1))
    places = [value.data_ptr() for value in (*former.weights.values(), *tensors(former.state))]
    with torch.no_grad():
        for weight in retriever.parameters():
            weight.fill_(7)
    more = {**state_of(2), "rng": torch.get_rng_state()}
    snapshot = take_snapshot(retriever, more, into=former)
    assert [value.data_ptr() for value in (*snapshot.weights.values(), *tensors(snapshot.state))][:-1] == places
    assert all(map(torch.equal, tensors(snapshot.state), tensors(more)))
    assert all(bool((value == 7).all()) for value in dict(retriever.named_parameters()).values())
    other = {"modules": {"weight": torch.ones(5)}}
    assert torch.equal(tensors(take_snapshot(retriever, other, into=snapshot).state)[0], torch.ones(5))
