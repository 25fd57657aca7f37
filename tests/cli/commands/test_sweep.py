"""`fdakit sweep`: what it prints, and how it ends where runs failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.cli_output import Tell

from fdakit.experiment.run_folder import recipe_text
from fdakit.recipe.recipe import Recipe

pytestmark = pytest.mark.integration


@pytest.fixture
def recipe(make_recipe: Callable[..., Recipe], tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(recipe_text(make_recipe(train={"epochs": 1})))
    return path


@pytest.mark.filterwarnings("ignore")
def test_a_failed_run_is_told_twice_and_ends_the_command_with_an_error(
    tell: Tell, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sweep"
    (out / "small").mkdir(parents=True)
    (out / "small" / "seed-42").write_text("a file where the run's folder should be")
    told = tell("sweep", str(recipe), "--seeds", "2", "--out", str(out))
    assert told.code == 2
    assert "text to video, manifest test (single-caption, grouped, ties expected), seeds 24,42" in told.out
    assert "small (1 of 2 seeds)" in told.out
    assert "small, seed 24: finished (1 of 2)" in told.err
    *_, summed, last = told.err.splitlines()
    assert summed == "1 of 2 runs failed; the same command tries them again:"
    assert last.startswith("small, seed 42: ")
    assert "already there" in last
    again = tell("sweep", str(recipe), "--seeds", "2", "--out", str(out), "--json")
    assert again.code == 2
    assert again.json == json.loads((out / "sweep.json").read_text())
    assert [one["seed"] for one in again.json["failed"]] == [42]


def test_where_all_runs_fail_there_is_no_table(tell: Tell, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    out.mkdir()
    (out / "small").write_text("")
    told = tell("sweep", str(recipe), "--seeds", "1,", "--out", str(out))
    assert (told.code, told.out) == (2, "")
    assert "no run finished: no table is written\n1 of 1 runs failed" in told.err
    assert [path.name for path in out.iterdir()] == ["small"]
