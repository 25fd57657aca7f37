"""A run folder works from anywhere; moved with its data, or made by an older fdakit, it says what to set."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from fdakit import DatasetError
from fdakit.analysis.saved_run import SavedRun
from fdakit.catalog import Catalog
from fdakit.experiment.checkpoint_evaluation import evaluate_checkpoint
from fdakit.experiment.run import run_recipe
from fdakit.inference.checkpoint import Checkpoint
from fdakit.recipe.recipe import Recipe

MakeRecipe = Callable[..., Recipe]


@pytest.mark.integration
def test_a_run_folder_works_from_anywhere_and_moved_with_its_data_says_what_to_set(
    make_recipe: MakeRecipe, manifest: Path, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    shutil.copytree(manifest.parent, work / "data")
    monkeypatch.chdir(work)
    dataset = {"use": "manifest", "path": "data/manifest.csv"}
    report = run_recipe(make_recipe(dataset=dataset, train={"epochs": 1}), out=Path("run")).report.to_json()
    monkeypatch.chdir("/")
    again = evaluate_checkpoint(Checkpoint.open(work / "run").recipe(catalog=catalog), work / "run")
    assert again.report.to_json() == report
    assert all(path.is_absolute() for path in (video.path for video in SavedRun(work / "run").videos))
    moved = work.rename(tmp_path / "moved")
    recipe = Checkpoint.open(moved / "run").recipe(catalog=catalog)
    absent = re.escape(f"{work}/data/manifest.csv' (absent)")
    said = rf"is said by dataset\.path = '{absent}, dataset\.root = \(left out\); .* --set dataset\.path=PATH"
    with pytest.raises(DatasetError, match=said):
        evaluate_checkpoint(recipe, moved / "run")
    settings = (f"dataset.path={moved}/data/manifest.csv",)
    recipe = Checkpoint.open(moved / "run").recipe(catalog=catalog, settings=settings)
    assert evaluate_checkpoint(recipe, moved / "run").report.to_json() == report


@pytest.mark.integration
def test_absent_videos_say_which_option_names_their_place(
    make_recipe: MakeRecipe, manifest: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(manifest, tmp_path))
    recipe = make_recipe(
        train={"epochs": 0}, dataset={"use": "manifest", "path": str(path), "root": str(manifest.parent)}
    )
    run_recipe(recipe, out=tmp_path / "run")
    elsewhere = make_recipe(dataset={"use": "manifest", "path": str(path)})
    with pytest.raises(DatasetError, match=r"6 of 6 videos are absent(?s:.*)dataset\.root = \(left out\)"):
        evaluate_checkpoint(elsewhere, tmp_path / "run")


@pytest.mark.integration
def test_a_recipe_that_an_older_fdakit_kept_relative_says_from_where_it_works(
    make_recipe: MakeRecipe, manifest: Path, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(manifest.parent, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    recipe = make_recipe(train={"epochs": 0}, dataset={"use": "manifest", "path": "data/manifest.csv"})
    run_recipe(recipe, out=tmp_path / "run")
    best = tmp_path / "run" / "checkpoints" / "best"
    text = (best / "recipe.toml").read_text()
    (best / "recipe.toml").write_text(text.replace(f"{tmp_path}/data", "data"))
    (best / "SHA256SUMS").unlink()
    save_file(load_file(best / "model.safetensors"), best / "model.safetensors")
    for place, works in (("/", False), (tmp_path, True)):
        monkeypatch.chdir(place)
        older = Checkpoint.of_run(best).recipe(catalog=catalog)
        with (
            pytest.warns(UserWarning, match="older fdakit")
            if works
            else pytest.raises(
                DatasetError,
                match=rf"{best}/recipe\.toml says 'data/manifest\.csv', relative to where the run was started",
            )
        ):
            evaluate_checkpoint(older, best)
