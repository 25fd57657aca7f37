"""Words that an encoder cannot tell apart are counted and named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fdakit.inference.factory import build_retriever
from fdakit.model.open_clip_models.tiny import FoldedTokenizer
from fdakit.plugin import Split
from fdakit.recipe.recipe import Recipe
from fdakit.training.word_clashes import indistinct_words

CAPTIONS = (("red-across", "a dog goes down"), ("blue-down", "the calf drinks"))


@pytest.mark.parametrize(("vocabulary", "groups"), [(4096, (("calf", "down"),)), (49408, ())])
def test_the_folded_tokeniser_names_words_of_one_id(vocabulary: int, groups: tuple[tuple[str, ...], ...]) -> None:
    tokens = FoldedTokenizer(vocabulary, 8)
    assert tokens.shared([text for _, text in CAPTIONS]) == groups
    assert torch.equal(tokens(["down"]), tokens(["calf"])) is bool(groups)


def test_a_run_names_them(make_recipe: Callable[..., Recipe], split: Callable[..., Split]) -> None:
    for vocabulary, words in (
        (4096, "cannot tell apart 2 words of the captions: 'calf' = 'down'; choose a larger"),
        (49408, ""),
    ):
        recipe = make_recipe(encoder={"vocabulary": vocabulary})
        retriever = build_retriever(recipe, device=torch.device("cpu"))
        said = indistinct_words(retriever, {"train": split(*CAPTIONS)})
        assert words in said
        assert bool(said) is bool(words)


def test_mean_and_std_of_the_tiny_tower_are_options(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe(encoder={"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]})
    preprocess = build_retriever(recipe, device=torch.device("cpu")).preprocess
    assert (preprocess.mean, preprocess.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
