"""`train.grad_checkpointing`: the same training with less kept for the backward pass, or a clear refusal."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from fdakit import PluginError, RecipeError
from fdakit.inference.factory import build_objectives, build_retriever
from fdakit.inference.observers import ObserverGroup
from fdakit.plugin import Split
from fdakit.recipe.recipe import Recipe
from fdakit.training.recomputation import recompute_activations
from fdakit.training.trainer import Trainer

CPU = torch.device("cpu")


def retriever_of(encoder: Any) -> Any:
    return SimpleNamespace(encoder=encoder, labels={"encoder": "encoder 'mine' (mine)"})


class Able(nn.Module):
    """An encoder that can, unless it has words against it."""

    def __init__(self, words: str = "", norm: bool = False) -> None:
        super().__init__()
        self.words, self.enabled = words, False
        self.norm = nn.BatchNorm1d(2) if norm else nn.Linear(2, 2)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        if self.words:
            raise PluginError(self.words)
        self.enabled = enable


def test_an_encoder_is_asked_after_weights_were_frozen() -> None:
    for encoder in (Able(), Able(norm=True).requires_grad_(False)):
        recompute_activations(retriever_of(encoder))
        assert encoder.enabled


@pytest.mark.parametrize(
    ("encoder", "words"),
    [
        (nn.Linear(2, 2), r"^train\.grad_checkpointing: encoder 'mine' \(mine\) has no set_grad_checkpointing"),
        (Able(norm=True), r"^train\.grad_checkpointing: norm of .* is a batch norm that trains"),
        (
            Able("CNN cannot"),
            r"^train\.grad_checkpointing: CNN cannot; leave the key out, and use train\.micro_batch",
        ),
    ],
)
def test_an_encoder_that_cannot_is_refused(encoder: Any, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        recompute_activations(retriever_of(encoder))


@pytest.mark.integration
@pytest.mark.parametrize("fusion", ["alpha-conv", "attention-bias", "motion-tokens"])
def test_a_training_changes_no_bit_in_chunks_either(
    make_recipe: Callable[..., Recipe], split: Callable[..., Split], fusion: str
) -> None:
    pairs = split(*[(f"{colour}-across", f"{colour} goes") for colour in ("red", "green", "blue", "white")])
    ended = []
    for again in (False, True):
        tables: dict[str, Any] = {"fusion": {"use": fusion}, "aggregator": {"use": "dropping"}}
        train = {"epochs": 2, "micro_batch": 3, "grad_checkpointing": again, "schedule": "constant"}
        recipe = make_recipe(train=train, **tables)
        retriever = build_retriever(recipe, device=CPU)
        objectives = build_objectives(recipe, retriever, CPU)
        Trainer.of(recipe, pairs, retriever, objectives, device=CPU, watchers=ObserverGroup()).run(lambda *_: {})
        assert retriever.encoder.clip.transformer.grad_checkpointing is again  # type: ignore[attr-defined]
        ended.append(retriever.state_dict())
    assert all(torch.equal(value, ended[1][name]) for name, value in ended[0].items())
