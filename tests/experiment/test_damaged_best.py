"""An interrupted run goes on though its best checkpoint is damaged: told, set aside, and the best one left taken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from fdakit.errors import CheckpointError
from fdakit.experiment.model_selection import ModelSelection
from fdakit.experiment.run import run_recipe
from fdakit.experiment.training_run import Interrupted
from fdakit.inference.checkpoint import Checkpoint
from fdakit.recipe.recipe import Recipe
from fdakit.report.evaluation_report import BothMetrics

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore:.*(trained on too|learnt nothing)")]
MakeRecipe = Callable[..., Recipe]
REMARK = "resumed after step 7 without the best checkpoint, which was damaged"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What validations find as R@1, in order."""
    measure, coming = ModelSelection.measure, list[float]()

    def stated(self: ModelSelection, retriever: Any) -> BothMetrics | None:
        found = measure(self, retriever)
        return found and found.model_copy(update={"t2v": {**found.t2v, "R@1": coming.pop(0)}})

    monkeypatch.setattr(ModelSelection, "measure", stated)
    return coming


@pytest.fixture
def interrupted(make_recipe: MakeRecipe, measured: list[float], tmp_path: Path) -> Callable[..., Path]:
    """A run of four epochs of three steps, stopped in the third; validations find the values given."""

    def make(*recalls: float) -> Path:
        measured[:] = recalls
        pressing = {"use": "watching", "step": 7}
        with pytest.raises(Interrupted):
            run_recipe(make_recipe(train={"epochs": 4, "max_steps": 12}, observer=[pressing]), out=tmp_path / "run")
        return tmp_path / "run"

    return make


@pytest.fixture
def recipe(make_recipe: MakeRecipe) -> Recipe:
    return make_recipe(train={"epochs": 4, "max_steps": 12})


def spoil(run: Path, what: str) -> None:
    """Damage or remove a file of the best checkpoint, or all of it."""
    best = run / "checkpoints" / "best"
    if what == "all":
        shutil.rmtree(best)
    elif what == "SHA256SUMS":
        (best / what).unlink()
    else:
        content = bytearray((best / what).read_bytes())
        content[-3] ^= 1
        (best / what).write_bytes(content)


def equal(one: Path, other: Path) -> bool:
    left, right = (load_file(path / "model.safetensors") for path in (one, other))
    return left.keys() == right.keys() and all(left[key].equal(right[key]) for key in left)


@pytest.mark.parametrize("what", ["model.safetensors", "checkpoint.json", "SHA256SUMS", "all"])
def test_the_best_one_left_takes_its_place_and_the_report_says_so(
    interrupted: Callable[..., Path], recipe: Recipe, what: str
) -> None:
    run = interrupted(60, 40, 30, 50)
    spoil(run, what)
    last = Checkpoint.of_run(run / "checkpoints" / "last").weights.read_bytes()
    with pytest.warns(UserWarning, match=r"best/.*: the run goes on, and that of step 6 takes its place") as caught:
        report = run_recipe(recipe, resume=run).report
    assert report.provenance.epoch == 4  # 50, after the 40 of the second and the 30 of the third
    assert REMARK in json.dumps(report.to_json())
    damaged = run / "checkpoints" / "damaged-best"
    assert damaged.is_dir() == (what != "all") == any(str(damaged) in str(one.message) for one in caught)
    assert Checkpoint.of_run(run / "checkpoints" / "last").weights.read_bytes() != last


def test_nothing_is_lost_if_the_same_weights_are_in_another_checkpoint(
    interrupted: Callable[..., Path], recipe: Recipe, measured: list[float], tmp_path: Path
) -> None:
    run = interrupted(40, 60, 30, 50)
    whole = Path(shutil.copytree(run, tmp_path / "whole"))
    expected = run_recipe(recipe, resume=whole).report
    spoil(run, "model.safetensors")
    measured[:] = [30, 50]
    with pytest.warns(UserWarning, match="that of step 6 takes its place"):
        report = run_recipe(recipe, resume=run).report
    assert report.to_json() == expected.to_json()
    assert "damaged" not in json.dumps(report.to_json()["protocol"])
    for name in ("best", "last"):
        assert equal(run / "checkpoints" / name, whole / "checkpoints" / name)
    assert not (run / "checkpoints" / "best" / "training.pt").exists()


def test_without_another_the_next_validation_chooses(interrupted: Callable[..., Path], recipe: Recipe) -> None:
    run = interrupted(60, 40, 30, 20)
    spoil(run, "model.safetensors")
    shutil.rmtree(run / "checkpoints" / "previous")
    with pytest.warns(UserWarning, match="the run goes on, and the next validation chooses one anew"):
        report = run_recipe(recipe, resume=run).report
    assert report.provenance.epoch == 3


def test_a_run_without_validation_that_was_not_reported_takes_its_last(
    make_recipe: MakeRecipe, manifest: Path, tmp_path: Path
) -> None:
    path = manifest.with_name("unvalidated.csv")
    path.write_text("".join(line for line in manifest.open() if not line.endswith(",val\n")))
    recipe, run = make_recipe(dataset={"path": str(path)}), tmp_path / "run"
    report = run_recipe(recipe, out=run).report
    spoil(run, "model.safetensors")
    with pytest.raises(CheckpointError, match=r"best/model\.safetensors: changed .*if report\.json is removed"):
        run_recipe(recipe, resume=run)
    (run / "report.json").unlink()
    with pytest.warns(UserWarning, match="that of step 6 takes its place"):
        again = run_recipe(recipe, resume=run).report
    assert again.to_json() == report.to_json()
