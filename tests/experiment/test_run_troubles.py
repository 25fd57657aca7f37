"""Runs that meet trouble: absent and damaged videos, folders in use, observers that fail."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fdakit import FdakitError, RecipeError, VideoError
from fdakit.experiment import run_folder
from fdakit.experiment.run import run_recipe
from fdakit.experiment.run_folder import RunFolder
from fdakit.experiment.training_run import Interrupted
from fdakit.inference.checkpoint import Checkpoint
from fdakit.recipe.recipe import Recipe
from fdakit.training.optimisation.parameter_groups import training_rows

MakeRecipe = Callable[..., Recipe]


@pytest.fixture
def holed(manifest: Path, tmp_path: Path) -> dict[str, Any]:
    """The data set with one absent file in the test split and one damaged in test and train."""
    root = shutil.copytree(manifest.parent, tmp_path / "clips")
    (root / "green-across.mp4").unlink()
    (root / "blue-down.mp4").write_bytes(b"no film")
    return {"use": "manifest", "path": str(root / "manifest.csv"), "allow_missing": True}


@pytest.mark.integration
def test_absent_and_damaged_videos_are_counted_and_told(
    make_recipe: MakeRecipe, holed: dict[str, Any], tmp_path: Path
) -> None:
    recipe = make_recipe(dataset=holed, train={"epochs": 0}, eval={"controls": ["other-video"]})
    report = run_recipe(recipe, out=tmp_path / "run").report.to_json()
    assert report["videos"]["counted"] == 5
    assert (report["videos"]["missing"], report["videos"]["missing_ids"]) == (1, ["green-across.mp4"])
    assert (report["videos"]["damaged"], list(report["videos"]["damaged_reasons"])) == (1, ["blue-down.mp4"])
    assert report == json.loads((tmp_path / "run" / "report.json").read_text())
    with (tmp_path / "run" / "ranks_t2v.csv").open(newline="") as file:
        ranks = {row["target"]: float(row["rank"]) for row in csv.DictReader(file)}
    assert ranks["blue-down.mp4"] == 5
    assert max(rank for name, rank in ranks.items() if name != "blue-down.mp4") <= 4
    page = (tmp_path / "run" / "report.md").read_text().splitlines()
    assert page[2].startswith("the encoder has random weights and nothing was trained")
    assert "- 1 video is absent and was left out: not the full test split" in page


@pytest.mark.integration
def test_a_damaged_video_ends_a_training(make_recipe: MakeRecipe, holed: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"blue-down\.mp4"):
        run_recipe(make_recipe(dataset=holed), out=tmp_path / "run")


@pytest.mark.integration
def test_what_cannot_be_trained_is_said_before_there_is_a_folder(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"train\.freeze_blocks: found 99"):
        run_recipe(make_recipe(train={"freeze_blocks": 99}), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.integration
def test_ctrl_c_pressed_twice_saves_nothing_that_may_be_half_done(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    pressing = make_recipe(train={"epochs": 3}, observer=[{"use": "watching", "step": 8, "presses": 2}])
    with pytest.raises(KeyboardInterrupt) as caught:
        run_recipe(pressing, out=tmp_path / "run")
    assert type(caught.value) is KeyboardInterrupt
    assert Checkpoint.of_run(tmp_path / "run" / "checkpoints" / "last").info.step in (
        3,
        6,
    )  # if the second epoch's was being written


@pytest.mark.integration
def test_a_folder_that_is_in_use_is_never_written_to(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    recipe = make_recipe(train={"epochs": 0})
    with pytest.raises(RecipeError, match="mine: already there and not empty; name a new folder with --out"):
        run_recipe(recipe, out=tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_each_run_has_a_stamp_of_its_own(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = [RunFolder.create("small", out=None).path for _ in range(3)]
    assert len(set(folders)) == 3
    assert {folder.parent for folder in folders} == {Path("runs/small")}
    (tmp_path / "file").touch()
    with pytest.raises(RecipeError, match="cannot be made"):
        RunFolder.create("small", out=tmp_path / "file" / "run")


def test_runs_of_one_second_are_numbered_from_two_on(tmp_path: Path) -> None:
    made = []
    for _ in range(3):
        made.append(run_folder._unused(tmp_path / "now"))
        made[-1].mkdir()
    assert [path.name for path in made] == ["now", "now-2", "now-3"]


def as_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the error stream a terminal."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)


HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"  # the cursor, by a bar


@pytest.mark.integration
def test_a_bar_is_put_away_before_it_is_told_that_a_run_was_interrupted(
    make_recipe: MakeRecipe,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_terminal(monkeypatch)
    pressing = make_recipe(observer=[{"use": "console"}, {"use": "watching", "step": 1}])
    with pytest.raises(Interrupted):
        run_recipe(pressing, out=tmp_path / "run")
    shown = capsys.readouterr().err
    assert shown.count(HIDDEN) == shown.count(SHOWN) > 0
    assert shown.rindex(SHOWN) > shown.rindex(HIDDEN)


@pytest.mark.integration
def test_a_bar_is_put_away_before_an_error_is_told(
    make_recipe: MakeRecipe,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_terminal(monkeypatch)
    failing = make_recipe(observer=[{"use": "console"}], objective=[{"use": "losing", "step": 2}])
    with pytest.raises(FdakitError, match="the loss became nan"):
        run_recipe(failing, out=tmp_path / "run")
    shown = capsys.readouterr().err
    assert shown.count(HIDDEN) == shown.count(SHOWN) > 0


@pytest.mark.integration
@pytest.mark.parametrize(
    "train", [{"epochs": 1}, {"epochs": 1, "freeze": ["text-tower", "logit-scale"]}, {"epochs": 0}]
)
def test_a_run_counts_the_parameters_that_check_counts(
    make_recipe: MakeRecipe, tmp_path: Path, train: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = make_recipe(train=train, observer=[{"use": "console"}])
    run_recipe(recipe, out=tmp_path / "run")
    rows = training_rows(recipe)
    counted = f"{sum(row.parameters for row in rows):,} parameters"
    if recipe.train.epochs:
        counted = f"{sum(row.parameters for row in rows if row.trains):,} of {counted} train"
    assert f"small: seed 3, {counted} on cpu, " in capsys.readouterr().err


@pytest.mark.integration
def test_a_failing_observer_is_named_once_and_left_out(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    observers = [{"use": "unwell"}, {"use": "jsonl"}]
    with pytest.warns(
        UserWarning, match=r"observer 'unwell' \(helpers.example_parts local\) failed in run_started"
    ) as caught:
        run_recipe(make_recipe(train={"epochs": 1}, observer=observers), out=tmp_path / "run")
    assert len([w for w in caught if "unwell" in str(w.message)]) == 1
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 3
