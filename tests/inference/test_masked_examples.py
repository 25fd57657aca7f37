"""The clips that observers may show: as the model gets them, with the masks of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from fdakit.inference.factory import build_retriever
from fdakit.inference.masked_examples import masked_examples
from fdakit.plugin import Split
from fdakit.recipe.recipe import Recipe

CPU = torch.device("cpu")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "tables", [{}, {"mask": {"use": "on-device"}}, {"mask": {"use": "frame-difference", "control": "zero"}}]
)
def test_frames_and_masks_are_those_of_the_model(
    make_recipe: Callable[..., Recipe], split: Callable[..., Split], tables: dict[str, Any]
) -> None:
    recipe = make_recipe(**tables)
    shown = split(("red-across", "a red one"), ("red-rests", "at rest"), ("blue-down", "blue"))
    retriever = build_retriever(recipe, device=CPU)
    first, second = masked_examples(2, recipe=recipe, split=shown, retriever=retriever, device=CPU)
    assert [(one.id, one.text) for one in (first, second)] == [("red-across", "a red one"), ("red-rests", "at rest")]
    assert first.frames.shape == (3, 32, 32, 3) and first.frames.dtype == np.uint8
    assert first.alpha.shape == (3, 32, 32) and first.alpha.dtype == np.float32
    assert len(second.frames) == len(second.alpha) == 1  # the file has one frame
    assert first.alpha.min() >= 0 and first.alpha.max() <= 1
    assert (first.alpha == 0.5).all() == (recipe.control == "zero")
