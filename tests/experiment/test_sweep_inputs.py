"""What is absent is told once and before any run, not by each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fdakit import FdakitError
from fdakit.ablation.ablate import ablate
from fdakit.ablation.systems import System
from fdakit.experiment import sweep_runs
from fdakit.experiment.sweep import sweep
from fdakit.recipe.recipe import Recipe

pytestmark = pytest.mark.integration

MakeRecipe = Callable[..., Recipe]


@pytest.fixture(autouse=True)
def _no_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_runs, "run_member", lambda member: pytest.fail(f"{member.label} was started"))


@pytest.fixture
def absent(tmp_path: Path) -> dict[str, Any]:
    """A data set whose one video is not there."""
    table = tmp_path / "absent.csv"
    table.write_text("path,caption,split\ngone.mp4,a clip,train\ngone.mp4,a clip,test\n")
    return {"use": "manifest", "path": str(table)}


@pytest.mark.parametrize("jobs", [1, 2])
def test_absent_data_are_told_once_with_the_recipes_that_need_them(
    make_recipe: MakeRecipe, absent: dict[str, Any], tmp_path: Path, jobs: int
) -> None:
    recipes = [
        make_recipe(name="one", dataset=absent),
        make_recipe(name="other", dataset=absent, mask={"use": "whole-frame"}),
        make_recipe(name="fine"),
    ]
    out, told = tmp_path / "out", list[str]()
    for command in (
        lambda: sweep(recipes, [1, 2, 3], out=out, tell=told.append, jobs=jobs),
        lambda: ablate([System(one.name, "", one) for one in recipes], [1, 2], out=out, tell=told.append, jobs=jobs),
    ):
        with pytest.raises(FdakitError) as caught:
            command()
        lines = str(caught.value).splitlines()
        assert len(lines) == 2  # the two splits, each once
        assert lines[0].startswith("one, other: split 'train': 1 of 1 videos are absent: ")
        assert lines[1].startswith("split 'test': 1 of 1 videos are absent: ")
    assert not told and not out.exists()


def test_absent_weights_are_told_together_with_absent_data(
    make_recipe: MakeRecipe, absent: dict[str, Any], tmp_path: Path
) -> None:
    lost = str(tmp_path / "lost.safetensors")
    weights = {"use": "open-clip", "model": "ViT-B-32", "pretrained": lost}
    recipes = [make_recipe(name="one", dataset=absent), make_recipe(name="other", encoder=weights)]
    with pytest.raises(FdakitError) as caught:
        sweep(recipes, [1, 2], out=tmp_path / "out", tell=lambda line: None)
    first, second, last = str(caught.value).splitlines()
    assert first.startswith("one: split ") and second.startswith("split ")
    assert last.startswith(f"other: encoder.pretrained: {lost!r} is neither a file")


def test_an_absent_folder_of_masks_is_told_once(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(name="one", mask={"use": "files", "folder": str(tmp_path / "nowhere")})
    said = rf"^one: mask\.folder: no folder {tmp_path}/nowhere; give the one that [^\n]*$"
    with pytest.raises(FdakitError, match=said):
        sweep([recipe], [1, 2], out=tmp_path / "out", tell=lambda line: None)


def test_runs_that_are_finished_need_no_data(
    make_recipe: MakeRecipe, absent: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = sweep_runs.plan_members([make_recipe(dataset=absent)], [1], out=tmp_path, command="sweep")
    monkeypatch.setattr(sweep_runs.Member, "finished", property(lambda member: True))
    assert sweep_runs.make_runs(members, jobs=1, tell=lambda line: None) == {}
