"""`fdakit eval` and `run --resume`: what a path may be, and what is said where it is something else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tomli_w
from helpers.cli_output import Tell

RECIPE = {
    "name": "small",
    "dataset": {"use": "manifest"},
    "sampler": {"use": "uniform", "train_frames": 2, "eval_frames": 2},
    "encoder": {"use": "tiny", "image_size": 32, "width": 64, "layers": 1, "text_layers": 1, "embedding": 16},
    "observer": [],
    "loader": {"workers": 0},
    "train": {"epochs": 1, "batch_size": 4, "learning_rate": 1e-3, "device": "cpu"},
    "eval": {"bootstrap": 0},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Path:
    """A finished run, made once; tests copy it."""
    from fdakit.cli.main import execute

    folder = tmp_path_factory.mktemp("eval")
    names = ("red-across", "blue-down", "green-across", "pink-down")
    rows = [f"{clips / name}.mp4,a {name},{split}" for name in names for split in ("train", "test")]
    (folder / "clips.csv").write_text("\n".join(["path,caption,split", *rows]) + "\n")
    recipe = {**RECIPE, "dataset": {"use": "manifest", "path": str(folder / "clips.csv")}}
    (folder / "small.toml").write_text(tomli_w.dumps(recipe))
    assert execute(["run", str(folder / "small.toml"), "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "runs" / "small" / "run")


@pytest.mark.integration
def test_a_run_is_evaluated_by_its_name_alone(tell: Tell, run: Path) -> None:
    found = [
        tell("eval", *arguments, "--json").json
        for arguments in (
            (str(run),),
            ("--checkpoint", str(run)),
            (str(run / "checkpoints" / "best"),),
            (str(run / "checkpoints" / "last"),),
            (str(run / "checkpoints" / "best" / "model.safetensors"),),
        )
    ]
    assert all(report["t2v"] == found[0]["t2v"] for report in found)
    told = tell("eval", str(run))
    assert (told.code, "warning: " in told.err) == (0, False)
    for arguments in ((), (str(run), "--checkpoint", str(run))):
        told = tell("eval", *arguments)
        assert told.code == 2
        assert "fdakit eval RUN" in told.err


def test_the_best_of_a_run_that_was_interrupted_is_said_to_be_the_best_so_far(tell: Tell, run: Path) -> None:
    (run / "report.json").unlink()
    told = tell("eval", str(run))
    assert told.code == 0
    assert f"warning: {run}: this run is not finished; its best checkpoint so far is evaluated" in told.err
    assert f"`fdakit run --resume {run}` goes on" in told.err


Change = Callable[[Path], Path]


def without_best(run: Path) -> Path:
    shutil.rmtree(run / "checkpoints" / "best")
    return run


def without_checkpoints(run: Path) -> Path:
    shutil.rmtree(run / "checkpoints")
    return run


def last_of_none(run: Path) -> Path:
    return without_checkpoints(run) / "checkpoints" / "last"


def bare(run: Path) -> Path:
    return (run / "checkpoints" / "best" / "model.safetensors").rename(run.parent / "mine.safetensors")


def copied_alone(run: Path) -> Path:
    alone = run.parent / "alone"
    alone.mkdir()
    shutil.copy(run / "checkpoints" / "best" / "model.safetensors", alone)
    return alone


def folder_of_weights(run: Path) -> Path:
    bare(run)
    shutil.rmtree(run)
    return run.parent


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            without_best,
            ["no best checkpoint yet", "`fdakit run --resume {run}`", "`fdakit eval {run}/checkpoints/last`"],
        ),
        (without_checkpoints, ["this run has saved no checkpoint yet", "`fdakit run --resume {run}`"]),
        (last_of_none, ["this run has saved no checkpoint yet", "`fdakit run --resume {run}`"]),
        (bare, ["weights without a recipe beside them", "`fdakit eval {path} --recipe RECIPE`"]),
        (copied_alone, ["holds no recipe.toml", "`fdakit eval {path}/model.safetensors --recipe RECIPE`"]),
        (folder_of_weights, ["holds mine.safetensors", "`fdakit eval {path}/mine.safetensors --recipe RECIPE`"]),
        (lambda run: run.parent, ["neither a run folder nor a checkpoint folder", "the newest run there is {run}"]),
        (lambda run: run.parent.parent, ["neither a run folder nor", "the newest run there is {run}"]),
        (lambda run: run / "nowhere", ["no checkpoint; `fdakit eval {run}` evaluates the best"]),
        (
            lambda run: run.parent.parent.parent / "nowhere",
            ["no such checkpoint; give a run folder", "runs/small/run"],
        ),
    ],
)
def test_what_is_no_checkpoint_is_told_with_what_is_missing_and_the_command(
    tell: Tell, run: Path, monkeypatch: pytest.MonkeyPatch, change: Change, said: list[str]
) -> None:
    monkeypatch.chdir(run.parent.parent.parent)
    path = change(run)
    told = tell("eval", str(path))
    assert told.code == 2
    assert told.err.startswith(str(path))
    assert len(told.err.splitlines()) == 1
    for words in said:
        assert words.format(run=run, path=path) in told.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_checkpoints, ["stopped before its first checkpoint", "`fdakit run {run}/recipe.toml`"]),
        (lambda run: run / "checkpoints" / "last", ["part of a run", "`fdakit run --resume {run}`"]),
        (lambda run: run / "recipe.toml", ["part of a run", "`fdakit run --resume {run}`"]),
        (lambda run: run.parent, ["no run folder, as it holds no recipe.toml", "the newest run there is {run}"]),
        (
            lambda run: run.parent.parent / "nowhere",
            ["no such folder; --resume takes", "newest run there is runs/small"],
        ),
        (lambda run: Path("quickstart"), ["no such folder; --resume takes the folder of a stopped run"]),
        (bare, ["a file; --resume takes"]),
        (
            lambda run: (run / "checkpoints" / "last").rename(run.parent / "l"),
            ["a checkpoint or report without its run"],
        ),
    ],
)
def test_what_is_no_run_cannot_be_taken_up_and_the_command_is_told(
    tell: Tell, run: Path, monkeypatch: pytest.MonkeyPatch, change: Change, said: list[str]
) -> None:
    monkeypatch.chdir(run.parent.parent.parent)
    path = change(run)
    before = sorted(run.parent.parent.parent.rglob("*"))
    told = tell("run", "--resume", str(path))
    assert told.code == 2
    assert told.err.startswith(str(path.absolute()))
    assert len(told.err.splitlines()) == 1
    for words in said:
        assert words.format(run=run, path=path) in told.err
    assert sorted(run.parent.parent.parent.rglob("*")) == before
