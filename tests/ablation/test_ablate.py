"""An ablation: systems, data sets and seeds in one table, and nothing is made twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from fdakit import FdakitError, RecipeError
from fdakit.ablation import ablate as module, costs
from fdakit.ablation.ablate import ablate
from fdakit.ablation.costs import kept_cost, measure_cost
from fdakit.ablation.systems import System, data_settings, read_systems
from fdakit.catalog import Catalog, load_catalog
from fdakit.experiment import sweep_members
from fdakit.experiment.run_folder import recipe_text
from fdakit.recipe.recipe import Recipe
from fdakit.report.ablation import Ablation

pytestmark = pytest.mark.integration

MakeRecipe = Callable[..., Recipe]
TRAIN: dict[str, Any] = {"epochs": 1}


def silent(text: str) -> None:
    pass


@pytest.fixture
def systems(make_recipe: MakeRecipe) -> list[System]:
    late = {"aggregator": {"use": "none"}, "matcher": {"use": "max-sim"}}
    recipes = [
        make_recipe(name="one", train=TRAIN),
        make_recipe(name="late", train=TRAIN, **late),
    ]
    return [System(recipe.name, "", recipe) for recipe in recipes]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ablations") / "ablate"


@pytest.fixture
def table(systems: list[System], out: Path) -> Ablation:
    """Two systems over two seeds; made once, read after."""
    return ablate(systems, [1, 2], out=out, tell=silent)


def test_a_cell_is_the_mean_of_its_runs_with_an_interval_and_the_cost(table: Ablation, out: Path) -> None:
    assert [(cell.system, cell.finished, cell.of) for cell in table.cells] == [("one", 2, 2), ("late", 2, 2)]
    for cell in table.cells:
        reports = [json.loads((out / cell.system / f"seed-{n}" / "report.json").read_text()) for n in (1, 2)]
        for way, found in (("t2v", cell.t2v), ("v2t", cell.v2t)):
            for metric, estimate in found.items():
                assert estimate.mean == pytest.approx(mean(report[way][metric] for report in reports))
                assert estimate.low is not None and estimate.high is not None
                assert estimate.low <= estimate.mean <= estimate.high
                assert estimate.over == "seeds"
        assert cell.cost is not None and cell.cost.frames == 3
    assert {cell.protocol for cell in table.cells} == {"manifest test (single-caption, grouped, ties expected)"}


def test_it_is_written_for_machines_papers_and_people(table: Ablation, out: Path) -> None:
    assert Ablation.from_json(json.loads((out / "ablate.json").read_text())) == table
    assert "| one | " in (out / "ablate.md").read_text(encoding="utf-8")
    assert "\nlate & " in (out / "ablate.tex").read_text(encoding="utf-8")


def test_a_second_call_makes_and_measures_nothing(
    table: Ablation, systems: list[System], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_members, "run_recipe", lambda *_, **__: pytest.fail("a run was repeated"))
    monkeypatch.setattr(costs, "measure_cost", lambda *_: pytest.fail("a cost was measured again"))
    assert ablate(systems, [1, 2], out=out, tell=silent) == table


def test_a_failed_run_is_told_and_stops_no_other(systems: list[System], tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "seed-2").write_text("a file where the run's folder should be")
    (tmp_path / "late").write_text("a file where the runs should be")
    told: list[str] = []
    table = ablate(systems, [1, 2], out=tmp_path, tell=told.append)
    assert [(cell.system, cell.finished, cell.of) for cell in table.cells] == [("one", 1, 2)]
    assert table.cells[0].t2v["R@1"].over == "queries"  # the bootstrap of the one that is there
    assert [(one.recipe, one.seed) for one in table.failed] == [("one", 2), ("late", 1), ("late", 2)]
    assert "one (1 of 2 seeds)" in (tmp_path / "ablate.md").read_text(encoding="utf-8")
    assert any(line.startswith("late, seed 1: failed: ") for line in told)


def test_systems_of_one_name_are_refused(systems: list[System], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"ablate: 'one' is asked for 2 times, from small\.toml"):
        ablate([systems[0], systems[0]], [1], out=tmp_path, tell=silent)


def test_costs_count_what_is_there(make_recipe: MakeRecipe, systems: list[System]) -> None:
    one, late = (measure_cost(system.recipe) for system in systems)
    assert one.index_bytes == 16 * 4
    assert late.index_bytes == 3 * 16 * 4  # a vector of each frame of evaluation
    assert 0 < one.trained <= one.parameters
    frozen = measure_cost(make_recipe(train={**TRAIN, "freeze": ["text-tower"]}))
    assert frozen.parameters == one.parameters
    assert frozen.trained < one.trained
    assert measure_cost(make_recipe(train={"epochs": 0})).trained == 0
    more = measure_cost(make_recipe(train=TRAIN, sampler={"eval_frames": 6}))
    assert more.flops == 2 * one.flops > 0
    assert one.encode_seconds > 0


def test_a_damaged_cost_is_measured_again(systems: list[System], tmp_path: Path) -> None:
    path = tmp_path / "cost.json"
    path.write_text("{")
    cost = kept_cost(systems[0].recipe, path)
    assert kept_cost(systems[0].recipe, path) == cost == type(cost).from_json(json.loads(path.read_text()))


def test_a_cost_that_cannot_be_measured_leaves_the_results(
    table: Ablation, systems: list[System], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise FdakitError("no memory for it")

    monkeypatch.setattr(module, "kept_cost", refuses)
    told: list[str] = []
    again = ablate(systems, [1, 2], out=out, tell=told.append)
    assert [cell.t2v for cell in again.cells] == [cell.t2v for cell in table.cells]
    assert "late: its cost could not be measured: no memory for it" in told
    assert not (out / "ablate.png").exists()


def test_every_recipe_is_read_with_every_data_set(make_recipe: MakeRecipe, catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(recipe_text(make_recipe()))
    data = ["moving-shapes pan=2.0 clips=8", "mask.threshold=40"]
    found = read_systems([str(path)], data, settings=["train.epochs=1"], catalog=catalog)
    assert [(one.system, one.data) for one in found] == [("small", data[0]), ("small", data[1])]
    assert [one.recipe.name for one in found] == ["small-moving-shapes_pan_2.0_clips_8", "small-mask.threshold_40"]
    options: Any = found[0].recipe.parts["dataset"].options
    assert (options.pan, options.clips, found[0].recipe.train.epochs) == (2.0, 8, 1)
    assert found[1].recipe.parts["dataset"].name == "manifest"
    assert [one.recipe.name for one in read_systems([str(path)], [], settings=[], catalog=catalog)] == ["small"]


def test_the_faults_of_all_recipes_on_all_data_sets_are_told_at_once_each_blamed_on_its_option() -> None:
    data = ["moving-shapes pan=-1", "movin-shapes", "mask.threshold=900"]
    with pytest.raises(RecipeError) as caught:
        read_systems(
            ["quickstart", "order", "quickstrat"], data, settings=["train.epochs=-1"], catalog=load_catalog()
        )
    faults = caught.value.faults
    assert len(set(faults)) == len(faults)
    told = [fault.partition(": found")[0] for fault in faults]
    assert told[:2] == ["--data moving-shapes pan=-1: dataset.pan", "--set train.epochs=-1: train.epochs"]
    assert told[2].startswith("--data movin-shapes: dataset.use: unknown dataset 'movin-shapes'; did you mean")
    assert told[3] == "--data mask.threshold=900: mask.threshold"
    assert "quickstrat" in told[-1]


@pytest.mark.parametrize("words", ["", " ", "''"])
def test_an_empty_data_set_is_refused(words: str) -> None:
    with pytest.raises(RecipeError, match="names no data set"):
        read_systems(["quickstart"], [words], settings=[], catalog=load_catalog())


def test_an_out_that_is_a_file_is_refused_before_any_run(systems: list[System], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    for out in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(RecipeError, match=r"ablate --out: .*taken is a file; name a folder"):
            ablate(systems, [24], out=out, tell=lambda text: None)


@pytest.mark.parametrize("words", ["moving-shapes pan", "moving-shapes 'pan=2"])
def test_what_is_no_data_set_is_refused(words: str) -> None:
    with pytest.raises(RecipeError, match=f"--data {words}: "):
        data_settings(words)
