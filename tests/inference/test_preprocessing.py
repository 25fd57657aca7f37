"""What pictures a retriever wants: demanded where nothing tells, kept in checkpoints, named in reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.normalised_pixels import normalised
from helpers.small_clip import name_model, save_weights, write_folder
from PIL import Image
from safetensors.torch import load_file, save_file

from fdakit import CheckpointError, create_model_and_transforms
from fdakit.catalog import load_catalog
from fdakit.experiment.checkpoint_evaluation import evaluate_checkpoint
from fdakit.experiment.run import run_recipe
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.checkpoint_info import CheckpointInfo
from fdakit.inference.factory import build_retriever
from fdakit.inference.save_checkpoint import save_checkpoint
from fdakit.inference.snapshot import take_snapshot
from fdakit.model.preprocess_record import recorded_preprocess
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import validate

CPU = torch.device("cpu")
VIEW = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "interpolation": "bilinear", "resize": "squash"}


def recipe(model: str, pretrained: Path | str, **tables: Any) -> Recipe:
    document = {
        "name": "small",
        "dataset": {"use": "moving-shapes", "clips": 4, "frames": 8},
        "encoder": {"use": "open-clip", "model": model, "pretrained": str(pretrained)},
        "train": {"epochs": 0, "device": "cpu"},
        "eval": {"bootstrap": 0},
        "loader": {"workers": 0},
        **tables,
    }
    return validate(document, where="test", catalog=load_catalog())


@pytest.fixture
def untold(tmp_path: Path) -> tuple[str, Path]:
    """A model without tags, and a file of its weights that says nothing of pictures."""
    model = name_model(tmp_path, "small-untold")
    save_weights(tmp_path / "w.pt", write_folder(tmp_path / "aside", weights=None))
    return model, tmp_path / "w.pt"


def test_it_is_demanded_with_the_keys_to_set(untold: tuple[str, Path]) -> None:
    model, file = untold
    words = r"w\.pt: nothing tells .*; set view\.mean, view\.std, view\.interpolation, view\.resize to what these"
    with pytest.raises(CheckpointError, match=words):
        build_retriever(recipe(model, file), device=CPU)
    partly = {name: VIEW[name] for name in ("mean", "std")}
    with pytest.raises(CheckpointError, match=r"; set view\.interpolation, view\.resize to"):
        build_retriever(recipe(model, file, view=partly), device=CPU)
    with pytest.raises(CheckpointError, match=r"set view\.mean"):
        create_model_and_transforms(model, pretrained=file)


def test_what_view_sets_reaches_every_picture(untold: tuple[str, Path]) -> None:
    model, file = untold
    retriever = build_retriever(recipe(model, file, view=VIEW), device=CPU)
    found = retriever.preprocess
    assert (found.mean, found.std, found.interpolation, found.resize) == (
        (0.1, 0.2, 0.3),
        (0.5, 0.6, 0.7),
        "bilinear",
        "squash",
    )
    grey = torch.full((1, 1, 3, 32, 32), 51, dtype=torch.uint8)
    wanted = (0.2 - torch.tensor(VIEW["mean"])) / torch.tensor(VIEW["std"])
    torch.testing.assert_close(normalised(retriever, grey)[0, 0, :, 0, 0], wanted)
    created, _, still = create_model_and_transforms(model, pretrained=file, **VIEW)
    assert created.preprocess.mean == (0.1, 0.2, 0.3)
    picture = still(Image.fromarray(np.full((40, 60, 3), 51, np.uint8)))
    torch.testing.assert_close(picture[:, 0, 0], wanted)


@pytest.fixture
def saved(tmp_path: Path, untold: tuple[str, Path]) -> Callable[[], tuple[Recipe, Path]]:
    """A checkpoint of the model, its weights file gone."""
    model, file = untold

    def make() -> tuple[Recipe, Path]:
        told = recipe(model, file, view=VIEW)
        retriever = build_retriever(told, device=CPU)
        save_checkpoint(tmp_path / "best", take_snapshot(retriever), recipe_text="", info=CheckpointInfo())
        file.unlink()
        return recipe(model, file), tmp_path / "best"

    return make


def test_a_checkpoint_takes_its_pictures_along(saved: Callable[[], tuple[Recipe, Path]]) -> None:
    silent, folder = saved()
    kept = recorded_preprocess(folder / "model.safetensors")
    found = Checkpoint.open(folder).load(silent, device=CPU)
    assert kept is not None
    assert (found.preprocess, found.preprocess.source) == (kept, kept.source)
    assert found.preprocess.mean == (0.1, 0.2, 0.3)
    torch.testing.assert_close(found.get_buffer("_std").flatten(), torch.tensor(VIEW["std"]))
    other = replace(silent, view=silent.view.model_copy(update={"mean": (0.9, 0.9, 0.9)}))
    assert Checkpoint.open(folder).load(other, device=CPU).preprocess.mean == (0.9, 0.9, 0.9)


def without_record(folder: Path, to: Path, **header: str) -> Path:
    save_file(load_file(folder / "model.safetensors"), to, metadata={"format": "pt", **header})
    return to


def test_bare_weights_without_a_record_are_asked_about(
    tmp_path: Path, saved: Callable[[], tuple[Recipe, Path]]
) -> None:
    silent, folder = saved()
    bare = without_record(folder, tmp_path / "bare.safetensors")
    with pytest.raises(CheckpointError, match=r"set view\.mean, view\.std, view\.interpolation, view\.resize"):
        Checkpoint.open(bare).load(silent, device=CPU)


def test_a_checkpoint_of_an_older_fdakit_is_used_as_it_was_trained(
    tmp_path: Path, saved: Callable[[], tuple[Recipe, Path]]
) -> None:
    silent, folder = saved()
    old = without_record(folder, tmp_path / "old.safetensors", fdakit="retriever")
    with pytest.warns(UserWarning, match=r"was trained by an older fdakit with mean \(0\.48.*it is used as it was"):
        found = Checkpoint.open(old).load(silent, device=CPU)
    assert (found.preprocess.mean[0], found.preprocess.resize) == (0.48145466, "shortest")
    assert found.preprocess.unknown == ()


@pytest.mark.integration
def test_a_report_names_the_pictures_and_where_they_are_known_from(tmp_path: Path) -> None:
    write_folder(tmp_path / "clip")
    told = recipe(f"local-dir:{tmp_path / 'clip'}", "none", view={"std": [0.9, 0.9, 0.9]})
    run = run_recipe(told, out=tmp_path / "run")
    said = run.report.to_json()["provenance"]["preprocess"]
    assert said == {
        "size": 32,
        "mean": [0.1, 0.2, 0.3],
        "std": [0.9, 0.9, 0.9],
        "interpolation": "bilinear",
        "resize": "squash",
        "source": f"open_clip_config.json of local-dir:{tmp_path / 'clip'}; [view] sets std",
    }
    assert run.folder is not None
    assert json.loads((run.folder / "report.json").read_text())["provenance"]["preprocess"] == said
    assert (
        "pictures: 32 px, squash, bilinear, mean 0.1 0.2 0.3, std 0.9 0.9 0.9"
        in (run.folder / "report.md").read_text()
    )
    again = evaluate_checkpoint(told, run.folder)
    assert again.report == run.report
