"""Which masks are shown: named, compared, from a recipe, each under a name of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fdakit.catalog import Catalog
from fdakit.errors import RecipeError
from fdakit.mask_inspection.selection import choose_masks, format_options


def test_without_a_word_it_is_frame_difference_over_12_frames(catalog: Catalog) -> None:
    choice = choose_masks(catalog=catalog)
    assert list(choice.masks) == ["frame-difference"]
    assert not choice.given
    assert choice.recipe.parts["sampler"].options.model_dump()["eval_frames"] == 12


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"compare": ["whole-frame", "frame-difference"]}, ["whole-frame", "frame-difference"]),
        ({"masks": ["whole-frame"], "compare": ["frame-difference"]}, ["whole-frame", "frame-difference"]),
        ({"masks": ["frame-difference", "fdakit:frame-difference"]}, ["frame-difference"]),
        (
            {"masks": ["frame-difference threshold=9", "frame-difference", "whole-frame"]},
            ["frame-difference threshold=9.0", "frame-difference", "whole-frame"],
        ),
        (
            {"masks": ["frame-difference", "frame-difference threshold=9"], "settings": ["mask.dilation=2"]},
            ["frame-difference dilation=2", "frame-difference threshold=9.0"],
        ),
    ],
)
def test_each_mask_stands_once_under_a_name_of_its_own(
    catalog: Catalog, given: dict[str, Any], names: list[str]
) -> None:
    assert list(choose_masks(**given, catalog=catalog).masks) == names


def test_settings_and_options_change_the_first_mask_alone(catalog: Catalog) -> None:
    choice = choose_masks(
        compare=["soft", "failing"], settings=["mask.scale=0.5"], options={"dtype": "float16"}, catalog=catalog
    )
    assert [format_options(part) for part in choice.masks.values()] == ["scale=0.5 dtype=float16", ""]


def test_a_recipe_brings_mask_and_sampler_and_settings_reach_all_of_it(catalog: Catalog, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'dataset.use = "moving-shapes"\nencoder.use = "tiny"\n[sampler]\nuse = "uniform"\neval_frames = 5\n'
        '[mask]\nuse = "frame-difference"\nthreshold = 7\n'
    )
    choice = choose_masks(recipe=str(recipe), compare=["frame-difference"], catalog=catalog)
    assert choice.given
    assert list(choice.masks) == ["frame-difference threshold=7.0", "frame-difference"]
    assert choice.recipe.parts["sampler"].options.model_dump()["eval_frames"] == 5
    changed = choose_masks(recipe=str(recipe), frames=3, settings=["view.flip=0.5", "seed=9"], catalog=catalog)
    assert changed.recipe.parts["sampler"].options.model_dump()["eval_frames"] == 3
    assert (changed.recipe.view.flip, changed.recipe.seed) == (0.5, 9)


def test_the_faults_of_all_masks_are_told_at_once(catalog: Catalog) -> None:
    with pytest.raises(RecipeError) as told:
        choose_masks(["frame-difference thresold=3", "whole-farme"], compare=["soft scale=x"], catalog=catalog)
    lines = str(told.value).splitlines()
    assert len(lines) == 3
    assert "did you mean 'threshold'?" in lines[0]
    assert "did you mean 'whole-frame'?" in lines[1]
    assert "mask.scale" in lines[2]
