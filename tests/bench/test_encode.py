"""`bench encode`: shared weights, an untouched peer, and what it says about both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from fdakit import FdakitError, RecipeError
from fdakit.bench.encode import PLAIN, bench_encode, read_bench
from fdakit.catalog import load_catalog
from fdakit.recipe.recipe import Recipe

TINY = ["encoder.use=tiny", "encoder.image_size=32", "encoder.patch=8", "encoder.width=64", "encoder.layers=1"]


def tiny(*fusions: str) -> dict[str, Recipe]:
    return read_bench(None, model="", fusions=fusions, settings=TINY, catalog=load_catalog())


def test_each_fusion_stands_beside_the_plain_encoder() -> None:
    told: list[tuple[int, int]] = []
    found = bench_encode(
        tiny("alpha-conv", "motion-tokens keep_tokens=3"),
        batch=2,
        rounds=2,
        device="cpu",
        progress=lambda done, total: told.append((done, total)),
    )
    assert [row["name"] for row in found["timed"]] == [PLAIN, "alpha-conv", "motion-tokens keep_tokens=3"]
    plain, conv, motion = found["timed"]
    assert plain["ratio"] == 1
    assert all(row["low"] <= row["median"] <= row["high"] for row in found["timed"])
    assert plain["frames_a_second"] == pytest.approx(2 / plain["median"])
    assert (plain["difference"], conv["difference"]) == (None, 0)
    assert motion["difference"] > 1e-3
    assert (found["size"], found["batch"], found["rounds"], found["encoder"]) == (32, 2, 2, "tiny")
    assert told == [(1, 2), (2, 2)]


@pytest.mark.integration
def test_the_peer_is_open_clips_own_model_with_the_same_weights() -> None:
    recipes = read_bench(
        None, model="ViT-B-32-quickgelu", fusions=["alpha-conv"], settings=[], catalog=load_catalog()
    )
    found = bench_encode(recipes, batch=1, rounds=1, device="cpu")
    assert found["encoder"] == "open-clip ViT-B-32-quickgelu"
    assert found["timed"][1]["difference"] == 0


def test_a_recipes_encoder_is_taken_with_fusions_of_ones_own() -> None:
    recipes = read_bench(
        "quickstart", model="", fusions=["gated initial=0.5", "none"], settings=[], catalog=load_catalog()
    )
    gated, none = recipes.values()
    assert gated.parts["encoder"].name == "tiny"
    assert gated.parts["fusion"].options.initial == 0.5  # type: ignore[attr-defined]
    assert none.parts["fusion"].name == "none"


@pytest.mark.parametrize(
    ("fusion", "words"),
    [
        ("nope", "fusion.use: unknown fusion 'nope'"),
        ("", "fusion.use: missing"),
        ("alpha-conv stdd=1", "fusion.stdd: unknown option of 'alpha-conv'.* did you mean 'std'"),
    ],
)
def test_a_wrong_fusion_is_a_fault_of_the_recipe(fusion: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        tiny(fusion)


def test_an_encoder_without_open_clip_inside_has_no_peer() -> None:
    recipe = tiny("none")["none"]

    class Foreign(torch.nn.Module):
        def __init__(self, encoder: Any) -> None:
            super().__init__()
            self.shapes, self.preprocess = encoder.shapes, encoder.preprocess
            self.encode_videos, self.encode_texts = encoder.encode_videos, encoder.encode_texts
            self.pixel_form, self.accepts, self.frame_count = encoder.pixel_form, encoder.accepts, None

    own = recipe.parts["encoder"]
    made = replace(own.offer.component, build=lambda options, shapes: Foreign(own.build(shapes)))
    foreign = replace(own, offer=replace(own.offer, component=made))
    recipe = replace(recipe, parts={**recipe.parts, "encoder": foreign})
    with pytest.raises(FdakitError, match=r"encoder 'tiny' .* is no open_clip model"):
        bench_encode({"none": recipe}, batch=1, rounds=1, device="cpu")
