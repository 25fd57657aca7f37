"""A sweep over the values of one option."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from fdakit import FdakitError, RecipeError
from fdakit.catalog import load_catalog
from fdakit.experiment.option_grid import epoch_seconds, expand_grid, grid_panels
from fdakit.experiment.sweep import sweep
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import read_recipe

pytestmark = pytest.mark.integration


def read(more: list[str]) -> Recipe:
    return read_recipe("quickstart", catalog=load_catalog(), settings=["fusion.use=motion-tokens", *more])


def test_each_value_is_a_recipe_of_its_own_name() -> None:
    recipes, varied = expand_grid("fusion.keep_share=0.25,1.0", [read])
    assert [recipe.name for recipe in recipes] == ["quickstart-keep_share-0.25", "quickstart-keep_share-1.0"]
    assert [recipe.parts["fusion"].options.keep_share for recipe in recipes] == [0.25, 1.0]  # type: ignore[attr-defined]
    assert (varied.key, varied.values, varied.numeric) == ("fusion.keep_share", (0.25, 1.0), True)
    assert varied.places["quickstart-keep_share-0.25"] == ("quickstart", 0.25)


@pytest.mark.parametrize(
    ("text", "names", "numeric"),
    [
        ("mask.control=zero,rolled", ["control-zero", "control-rolled"], False),
        ("train.batch_size=8,16,8", ["batch_size-8", "batch_size-16"], True),
        ("fusion.spread_share=0,0.5", ["spread_share-0", "spread_share-0.5"], True),
    ],
)
def test_values_are_toml_or_words_each_once(text: str, names: list[str], numeric: bool) -> None:
    recipes, varied = expand_grid(text, [read])
    assert [recipe.name for recipe in recipes] == [f"quickstart-{name}" for name in names]
    assert varied.numeric == numeric


@pytest.mark.parametrize("text", ["fusion.keep_share", "fusion.keep_share=", "seed=1,2", "=1"])
def test_what_is_no_option_with_values_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match=r"wanted table.key=value,value"):
        expand_grid(text, [read])


def test_a_value_that_the_option_refuses_is_the_recipes_fault() -> None:
    with pytest.raises(RecipeError, match=r"fusion.keep_share: found 2"):
        expand_grid("fusion.keep_share=0.5,2", [read])


def test_the_faults_of_all_values_are_told_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        expand_grid("fusion.keep_share=2,3,0.5", [read])
    assert [fault.partition(";")[0] for fault in caught.value.faults] == [
        f"--set fusion.keep_share={value}: fusion.keep_share: found {value}" for value in (2, 3)
    ]


def test_seconds_are_the_median_epochs(tmp_path: Path) -> None:
    assert epoch_seconds(tmp_path) is None
    events: list[dict[str, Any]] = [{"event": "run_started"}]
    events += [{"event": "epoch_finished", "seconds": seconds} for seconds in (9, 1, 2)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    assert epoch_seconds(tmp_path) == 2


@pytest.mark.parametrize("drawing", [True, False])
def test_a_varied_sweep_draws_its_curves_or_tells_what_to_install(
    make_recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawing: bool
) -> None:
    def small(more: list[str]) -> Recipe:
        batch = int(more[0].partition("=")[2])
        recipe: Recipe = make_recipe(
            name="small", train={"epochs": 1, "batch_size": batch}, observer=[{"use": "jsonl"}]
        )
        return recipe

    if drawing:
        pytest.importorskip("matplotlib")
    else:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
    recipes, varied = expand_grid("train.batch_size=4,2", [small])
    told: list[str] = []
    picture = tmp_path / "out" / "sweep.svg"
    picture.parent.mkdir()
    picture.write_text("of a former sweep")
    summary = sweep(recipes, [1], out=picture.parent, tell=told.append, varied=varied)
    assert [row.recipe for row in summary.rows] == ["small-batch_size-4", "small-batch_size-2"]
    assert all(row.epoch_seconds and row.epoch_seconds.mean > 0 for row in summary.rows)
    assert picture.is_file() == drawing
    assert not drawing or "train.batch_size" in picture.read_text()
    missing = f'{picture} is not drawn: matplotlib is not installed; pip install "fdakit[plot]"'
    assert (missing in told) != drawing
    quality, back, seconds = grid_panels(summary, varied)
    assert (quality.title, back.title) == ("R@1 text to video, %", "R@1 video to text, %")
    assert [point.mean for point in back.series[0][1]] == [row.v2t["R@1"].mean for row in summary.rows[::-1]]
    ((label, points),) = quality.series
    assert (label, [point.x for point in points]) == ("small", [2.0, 4.0])
    assert points[1].mean == summary.rows[0].t2v["R@1"].mean
    assert seconds.title == "seconds a training epoch"


def test_values_that_are_lists_are_values_too() -> None:
    with pytest.raises(RecipeError):
        expand_grid("fusion.keep_share=[1],[2],[1]", [read])


@pytest.mark.parametrize(
    "line", ["{", "[1]", '{"event": "epoch_finished"}', '{"event": "epoch_finished", "seconds": "x"}']
)
def test_a_damaged_log_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "metrics.jsonl").write_text(line + "\n")
    with pytest.raises(FdakitError, match=r"metrics\.jsonl: line 1: not readable as the log of a run"):
        epoch_seconds(tmp_path)
