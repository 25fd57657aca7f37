"""Parts that do not fit each other are told of by `fdakit check`, and again when they are built."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.sample_plugins import AnyPart, component, document, lines, offering

from fdakit import RecipeError
from fdakit.catalog import load_catalog
from fdakit.inference.factory import build_retriever
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import validate

PIXELS = frozenset({"pixels"})


def told(catalog: Any = None, **tables: Any) -> dict[str, str]:
    with pytest.raises(RecipeError) as caught:
        validate(document(**tables), where="my.toml", catalog=catalog or load_catalog())
    return dict(lines(caught.value.faults, "my.toml"))


def stemless(**declared: Any) -> Any:
    made = component("stemless")
    return load_catalog([offering("encoder", type(made)(**{**vars(made), "declares": declared}))])


def test_a_fusion_of_maps_before_an_encoder_of_pixels() -> None:
    catalog = stemless(accepts=PIXELS)
    found = told(catalog, encoder={"use": "stemless"}, fusion={"use": "motion-tokens"})
    assert found == {
        "fusion.use": "'motion-tokens' gives keep, stem, which encoder 'stemless' cannot use; choose a fusion of "
        "pixels (see `fdakit show fusion`), or another encoder"
    }
    for fits in ("multiply", "blur-background", "none"):
        assert validate(document(encoder={"use": "stemless"}, fusion={"use": fits}), where="my.toml", catalog=catalog)


def test_a_sampler_of_another_number_of_frames() -> None:
    catalog = stemless(accepts=PIXELS, frame_count=8)
    parts = {"encoder": {"use": "stemless"}, "fusion": {"use": "multiply"}}
    found = told(catalog, **parts, sampler={"use": "uniform", "train_frames": 8, "eval_frames": 12})
    assert found == {
        "sampler.use": "'uniform' gives 12 frames in evaluation, and encoder 'stemless' takes exactly 8; set its "
        "options so"
    }
    same = {"use": "uniform", "train_frames": 8, "eval_frames": 8}
    assert validate(document(**parts, sampler=same), where="my.toml", catalog=catalog)


@pytest.mark.parametrize(
    ("aggregator", "matcher", "key", "words"),
    [
        (
            "none",
            "cosine",
            "aggregator.use",
            "'none' gives several vectors a video, and matcher 'cosine'",
        ),
        (
            "segments",
            "dot",
            "aggregator.use",
            "'segments' gives several vectors a video, and matcher 'dot'",
        ),
        (
            "mean",
            "max-cosine",
            "matcher.use",
            "'max-cosine' compares several vectors of a video, and aggregator 'mean'",
        ),
        (
            "mean",
            "max-sim",
            "matcher.use",
            "'max-sim' compares several vectors of a video, and aggrega",
        ),
    ],
)
def test_an_aggregator_and_a_matcher_of_different_numbers(
    aggregator: str, matcher: str, key: str, words: str
) -> None:
    found = told(aggregator={"use": aggregator}, matcher={"use": matcher})
    assert list(found) == [key]
    assert found[key].startswith(words)


def test_what_is_not_declared_is_compared_when_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    class Stemless(AnyPart):
        accepts = PIXELS

    made = component("quiet", lambda options, shapes: Stemless())
    recipe: Recipe = validate(
        document(encoder={"use": "quiet"}), where="my.toml", catalog=load_catalog([offering("encoder", made)])
    )
    with pytest.raises(RecipeError, match=r"my\.toml: fusion\.use: 'alpha-conv' gives stem, which encoder 'quiet'"):
        build_retriever(recipe, device=torch.device("cpu"))
