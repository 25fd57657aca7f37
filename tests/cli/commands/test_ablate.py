"""`fdakit ablate`: what it prints, and how it ends where runs failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.cli_output import Tell

from fdakit.experiment.run_folder import recipe_text
from fdakit.recipe.recipe import Recipe

pytestmark = pytest.mark.integration


@pytest.mark.filterwarnings("ignore")
def test_one_table_in_three_forms(tell: Tell, make_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe, out = tmp_path / "small.toml", tmp_path / "ablate"
    recipe.write_text(recipe_text(make_recipe(train={"epochs": 1})))
    arguments = ("ablate", str(recipe), "--seeds", "2", "--out", str(out))
    told = tell(*arguments)
    assert told.code == 0
    assert "small" in told.out and "GFLOPs a video" in told.out
    assert f"{out}/ablate.md, {out}/ablate.tex" in told.out
    assert tell(*arguments, "--json").json == json.loads((out / "ablate.json").read_text())
    assert tell(*arguments, "--latex").out == (out / "ablate.tex").read_text()


def test_where_all_runs_fail_there_is_no_table(
    tell: Tell, make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe, out = tmp_path / "small.toml", tmp_path / "ablate"
    recipe.write_text(recipe_text(make_recipe(train={"epochs": 1})))
    out.mkdir()
    (out / "small").write_text("")
    told = tell("ablate", str(recipe), "--seeds", "1,", "--out", str(out))
    assert (told.code, told.out) == (2, "")
    assert told.err.splitlines()[-3:-1] == [
        "no run finished: no table is written",
        "1 of 1 runs failed; the same command tries them again:",
    ]
    assert [path.name for path in out.iterdir()] == ["small"]


def test_two_forms_at_once_are_refused(tell: Tell) -> None:
    told = tell("ablate", "quickstart", "--latex", "--json")
    assert told.code == 2
    assert "--latex and --json" in told.json["error"]["message"]
