"""Whole runs on real clips: the folder, the report, taking up a stopped run, and evaluating what was kept."""

from __future__ import annotations

import csv
import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fdakit import CheckpointError, DatasetError
from fdakit.catalog import Catalog
from fdakit.choices import TieRule
from fdakit.cli.main import execute
from fdakit.dataset_files.counts import id_hash
from fdakit.evaluation.scoring import Rankings
from fdakit.experiment.checkpoint_evaluation import evaluate_checkpoint, retitled
from fdakit.experiment.run import run_recipe
from fdakit.experiment.training_run import Interrupted
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.factory import build_retriever
from fdakit.recipe.recipe import Recipe
from fdakit.report.evaluation_report import BothMetrics

pytestmark = pytest.mark.integration

MakeRecipe = Callable[..., Recipe]
CONTROLS = ["whole-frame", "zero", "rolled", "centre", "inverse", "other-video"]
TRAINED = ["red-across", "green-across", "blue-across", "blue-down", "yellow-down", "white-across", "pink-down"]
NUMBERS = ["R@1", "R@5", "R@10", "R@50", "MdR", "MnR", "MRR", "RSum"]


@pytest.fixture
def full(make_recipe: MakeRecipe) -> Recipe:
    """A run with every control and both files' observers."""
    return make_recipe(eval={"controls": CONTROLS}, observer=[{"use": "jsonl"}])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run that several tests look at lies."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def run(runs: Path, full: Recipe) -> Path:
    """The finished run of `full`; made once."""
    folder = runs / "full"
    if not folder.exists():
        run_recipe(full, out=folder)
    return folder


def read(path: Path) -> Any:
    return json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{path.name} holds {name}"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def equal(one: Path, other: Path) -> bool:
    left, right = weights(one), weights(other)
    return left.keys() == right.keys() and all(torch.equal(value, right[name]) for name, value in left.items())


def test_the_run_folder_is_complete(run: Path, full: Recipe) -> None:
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    kept = {
        f"checkpoints/{n}/{f}"
        for n in ("best", "last", "previous")
        for f in ("checkpoint.json", "model.safetensors", "recipe.toml", "SHA256SUMS")
    }
    assert files == kept | {
        "curves.png",
        "checkpoints/last/training.pt",
        "checkpoints/previous/training.pt",
        "recipe.toml",
        "environment.json",
        "metrics.jsonl",
        "report.json",
        "report.md",
        "similarity.npy",
        "ranks_t2v.csv",
        "ranks_v2t.csv",
        "videos.csv",
        "SHA256SUMS",
    }
    text = (run / "recipe.toml").read_text()
    assert "# mask 'frame-difference' (fdakit " in text
    assert tomllib.loads(text)["train"]["warmup"] == 0.1  # what the recipe left out is written out
    environment = read(run / "environment.json")
    assert environment["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert environment["device"] == "cpu"
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["run_started", "epoch_finished", "epoch_finished", "run_finished"]
    assert {"loss", "learning_rate", "seconds", "val_t2v_R@1", "val_v2t_MnR"} < set(events[1])


def test_the_report_says_everything_once(run: Path) -> None:
    report = read(run / "report.json")
    assert report["protocol"]["split"] == "test"
    assert report["protocol"]["captions"] == "single-caption"
    assert report["protocol"]["checkpoint_chosen_by"] == "best R@1 text to video on the validation split"
    assert report["protocol"]["checkpoint_chosen_on"] == "val"
    assert report["protocol"]["sampler"]["eval_frames"] == 3
    for way in ("t2v", "v2t"):
        assert list(report[way]) == NUMBERS
        for name in NUMBERS:
            low, high = report["ci95"][way][name]
            assert low <= high
    assert list(report["controls"]) == CONTROLS
    assert all(list(report["controls"][control][way]) == NUMBERS for control in CONTROLS for way in ("t2v", "v2t"))
    assert report["rescored"] == {}
    assert "- videos of this split that were trained on: 5; they flatter" in (run / "report.md").read_text()
    with (run / "videos.csv").open(newline="") as file:
        assert report["videos"].pop("id_hash") == id_hash(row["id"] for row in csv.DictReader(file))
    assert report["videos"] == {
        "published": None, "remarks": [], "counted": 6, "missing": 0, "missing_ids": [],
        "damaged": 0, "damaged_reasons": {},
        "repaired": 0, "repaired_reasons": {},
        "training": {
            "published": None, "counted": 7, "missing": 0, "remarks": [], "shared": 5,
            "id_hash": id_hash(f"{name}.mp4" for name in TRAINED),
            "skipped": 0, "skipped_reasons": {}, "repaired": 0, "repaired_reasons": {},
        },
    }  # fmt: skip
    assert len(report["captions"].pop("hash")) == 64
    best = {"identical_videos": 0, "best_t2v_R@1": 100.0}
    assert report["captions"] == {"published": None, "counted": 6, "distinct": 6, "cut": 0, **best}
    assert report["protocol"]["dataset_options"]["caption_column"] == "caption"
    assert not {"path", "root"} & set(report["protocol"]["dataset_options"])  # the one set, the other left out
    assert 0 < report["masks"]["mean_coverage"] < 1
    assert report["provenance"]["seed"] == 3
    assert "mask 'frame-difference' (fdakit" in " ".join(report["provenance"]["parts"])


@pytest.mark.integration
def test_it_is_said_before_the_start_and_in_the_report_what_was_trained_on(
    full: Recipe, clips: Path, manifest: Path, tmp_path: Path, make_recipe: MakeRecipe
) -> None:
    rows = manifest.read_text().replace("white-across.mp4", "gone.mp4")
    path = clips / "some_gone.csv"
    path.write_text(rows)
    recipe = make_recipe(dataset={"path": str(path), "allow_missing": True})
    with pytest.warns(UserWarning, match="split 'test': 5 of 6 videos are trained on too"):
        report = run_recipe(recipe, out=tmp_path / "run").report.to_json()
    training = report["videos"]["training"]
    assert (training["counted"], training["missing"], training["shared"]) == (6, 1, 5)
    text = (tmp_path / "run" / "report.md").read_text()
    assert "- trained on 6 of 7 videos; the others are absent and were left out\n" in text
    assert evaluate_checkpoint(recipe, tmp_path / "run").report.to_json() == report
    on_val = evaluate_checkpoint(retitled(recipe, split="val"), tmp_path / "run").report.to_json()
    assert on_val["videos"]["training"]["shared"] == 3


def test_the_numbers_follow_from_the_similarities_beside_them(run: Path) -> None:
    report, matrix = read(run / "report.json"), np.load(run / "similarity.npy")
    assert matrix.dtype == np.float32
    assert matrix.shape == (6, 6)
    for way, scores in (("t2v", matrix), ("v2t", matrix.T)):
        ranks = 1 + (scores > np.diag(scores)[:, None]).sum(1)
        assert report[way]["R@1"] == pytest.approx(100 * (ranks <= 1).mean())
        assert report[way]["R@5"] == pytest.approx(100 * (ranks <= 5).mean())
        assert report[way]["MdR"] == np.median(ranks)
        assert report[way]["MnR"] == pytest.approx(ranks.mean())
        with (run / f"ranks_{way}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [float(row["rank"]) for row in rows] == ranks.tolist()
        assert rows[1]["target"] == "green-across.mp4"
    assert rows[1]["query"] == "green-across.mp4"


@pytest.mark.parametrize("name", ["run", "best", "weights"])
def test_evaluating_what_was_kept_gives_the_same_report(
    run: Path, catalog: Catalog, tmp_path: Path, name: str
) -> None:
    best = run / "checkpoints" / "best"
    path = {"run": run, "best": shutil.copytree(best, tmp_path / "copy"), "weights": best / "model.safetensors"}[name]
    recipe = Checkpoint.open(Path(path)).recipe(catalog=catalog)
    finished = evaluate_checkpoint(recipe, Path(path), out=tmp_path / "again")
    assert finished.report.to_json() == read(run / "report.json")
    assert finished.folder == tmp_path / "again"
    for file in ("report.json", "report.md", "ranks_t2v.csv", "ranks_v2t.csv"):
        assert (tmp_path / "again" / file).read_bytes() == (run / file).read_bytes()
    np.testing.assert_array_equal(np.load(tmp_path / "again" / "similarity.npy"), np.load(run / "similarity.npy"))


@pytest.mark.integration
def test_running_the_resolved_recipe_again_repeats_the_run(run: Path, catalog: Catalog, tmp_path: Path) -> None:
    recipe = Checkpoint.of_run(run).recipe(catalog=catalog)
    assert run_recipe(recipe, out=tmp_path / "again").report.to_json() == read(run / "report.json")
    assert equal(tmp_path / "again" / "checkpoints" / "last", run / "checkpoints" / "last")


def test_another_split_can_be_reported(run: Path, full: Recipe) -> None:
    finished = evaluate_checkpoint(retitled(full, split="val"), run)
    assert finished.folder is None
    assert finished.report.to_json()["protocol"]["split"] == "val"
    assert finished.report.to_json()["videos"]["counted"] == 3
    assert retitled(full, split=None) is full


def test_weights_without_facts_are_called_given(run: Path, full: Recipe, tmp_path: Path) -> None:
    path = Path(shutil.copy(run / "checkpoints" / "best" / "model.safetensors", tmp_path / "mine.safetensors"))
    report = evaluate_checkpoint(full, path).report.to_json()
    assert report["protocol"]["checkpoint_chosen_by"] == "given weights"
    assert report["t2v"] == read(run / "report.json")["t2v"]


@pytest.mark.integration
@pytest.mark.parametrize("stop", [1, 3, 5, 6])
def test_a_stopped_run_goes_on_to_the_same_end(
    make_recipe: MakeRecipe, run: Path, full: Recipe, tmp_path: Path, stop: int
) -> None:
    log, asked = tmp_path / "log", " as observer 'asking' .helpers.example_parts local. asked"
    stopping = {"use": "asking", "step": stop} if stop == 3 else {"use": "watching", "step": stop, "file": str(log)}
    pressing = make_recipe(eval={"controls": CONTROLS}, observer=[stopping, {"use": "jsonl"}])
    words = f"^stopped after step {stop} of 6{f',{asked}' if stop == 3 else ''}$"
    with pytest.raises(Interrupted, match=words) as caught:
        run_recipe(pressing, out=tmp_path / "run")
    assert (caught.value.folder, caught.value.code) == (tmp_path / "run", 130)
    assert stop == 3 or "finished" not in log.read_text()
    finished = run_recipe(full, resume=tmp_path / "run")
    assert finished.report.to_json() == read(run / "report.json")
    for name in ("best", "last"):
        assert equal(tmp_path / "run" / "checkpoints" / name, run / "checkpoints" / name)

    def losses(folder: Path) -> list[float]:
        events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return [event["loss"] for event in events if event["event"] == "epoch_finished"]

    assert losses(tmp_path / "run") == losses(run)


@pytest.mark.integration
def test_a_run_without_a_state_cannot_be_taken_up(full: Recipe, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"training\.pt: absent, so this run cannot be resumed"):
        run_recipe(full, resume=tmp_path / "empty")


@pytest.mark.integration
def test_the_best_epoch_is_that_of_the_best_validation(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quality = iter([(20.0, 9.0), (60.0, 4.0), (60.0, 3.0), (60.0, 3.0), (40.0, 1.0)])

    def measured(rankings: Rankings, ties: TieRule) -> BothMetrics:
        recall, rank = next(quality)
        found = {"R@1": recall, "MnR": rank}
        return BothMetrics(t2v=found, v2t=found)

    monkeypatch.setattr("fdakit.experiment.model_selection.both_metrics", measured)
    recipe = make_recipe(train={"epochs": 5, "max_steps": 15}, eval={"bootstrap": 0})
    report = run_recipe(recipe, out=tmp_path / "run").report.to_json()
    assert (report["provenance"]["epoch"], report["provenance"]["step"]) == (3, 9)  # equal: the earlier one stays
    assert Checkpoint.of_run(tmp_path / "run" / "checkpoints" / "last").info.epoch == 5
    assert not equal(tmp_path / "run" / "checkpoints" / "best", tmp_path / "run" / "checkpoints" / "last")


def one_split(manifest: Path, folder: Path, *splits: str) -> dict[str, Any]:
    """The manifest with some splits alone."""
    lines = manifest.read_text().splitlines()
    kept = [line for line in lines if line.rpartition(",")[2] in ("split", *splits)]
    (folder / "part.csv").write_text("\n".join(kept) + "\n")
    return {"use": "manifest", "path": str(folder / "part.csv"), "root": str(manifest.parent)}


@pytest.mark.integration
def test_without_a_validation_split_the_last_epoch_is_the_best(
    make_recipe: MakeRecipe, manifest: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(dataset=one_split(manifest, tmp_path, "train", "test"))
    report = run_recipe(recipe, out=tmp_path / "run").report.to_json()
    assert report["protocol"]["checkpoint_chosen_by"] == "last epoch (no validation split)"
    assert report["provenance"]["epoch"] == 2
    assert equal(tmp_path / "run" / "checkpoints" / "best", tmp_path / "run" / "checkpoints" / "last")


@pytest.mark.integration
def test_validating_less_often_still_validates_the_last_epoch(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(train={"epochs": 3, "validate_every": 2}, observer=[{"use": "jsonl"}])
    run_recipe(recipe, out=tmp_path / "run")
    events = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert ["val_t2v_R@1" in event for event in events[1:4]] == [False, True, True]


@pytest.mark.integration
def test_no_epochs_evaluate_the_weights_as_built(make_recipe: MakeRecipe, manifest: Path, tmp_path: Path) -> None:
    recipe = make_recipe(train={"epochs": 0}, dataset=one_split(manifest, tmp_path, "test"))
    report = run_recipe(recipe, out=tmp_path / "run").report.to_json()
    assert report["protocol"]["checkpoint_chosen_by"] == "not trained in this run"
    built = build_retriever(recipe, device=torch.device("cpu")).state_dict()
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["best"]  # weights once
    kept = weights(tmp_path / "run" / "checkpoints" / "best")
    assert all(torch.equal(value, kept[key]) for key, value in built.items())
    again = run_recipe(recipe, resume=tmp_path / "run")  # as after a kill during the evaluation
    assert again.report.to_json() == report
    assert evaluate_checkpoint(recipe, tmp_path / "run").report.to_json() == report


@pytest.mark.integration
def test_random_weights_that_nothing_trained_are_told_wherever_the_numbers_stand(
    make_recipe: MakeRecipe, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Path
) -> None:
    words = "the encoder has random weights and nothing was trained"
    folder = tmp_path / "run"
    run_recipe(make_recipe(train={"epochs": 0}, dataset=one_split(manifest, tmp_path, "test")), out=folder)
    assert execute(["report", str(folder)]) == 0
    assert execute(["report", str(folder), str(folder)]) == 0
    screen = capsys.readouterr().out
    assert screen.count(words) == 3  # of one run, and of each of two
    assert screen.index("text to video") < screen.index(words)
    assert json.loads((folder / "report.json").read_text())["random_weights"] is True
    assert words in (folder / "report.md").read_text()
    assert execute(["report", str(folder), "--out", str(tmp_path / "page.html")]) == 0
    assert words in (tmp_path / "page.html").read_text()
    assert json.loads((run / "report.json").read_text())["random_weights"] is False
    assert words not in (run / "report.md").read_text()


@pytest.mark.integration
def test_a_training_needs_its_split(make_recipe: MakeRecipe, manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="split 'train': the data set has none; it has: test"):
        run_recipe(make_recipe(dataset=one_split(manifest, tmp_path, "test")), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
