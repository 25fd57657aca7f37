"""What a run that was stopped finds: a checkpoint of every epoch, a whole log, and nobody else at work."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from fdakit import FdakitError
from fdakit.errors import CheckpointError, ScoreError
from fdakit.experiment.run import run_recipe
from fdakit.experiment.run_folder import RunFolder
from fdakit.experiment.training_run import Interrupted
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.checkpoint_info import CheckpointInfo, TrainingState
from fdakit.inference.observers import ObserverGroup
from fdakit.recipe.recipe import Recipe

MakeRecipe = Callable[..., Recipe]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def full(make_recipe: MakeRecipe) -> Recipe:
    return make_recipe(observer=[{"use": "jsonl"}])


@pytest.fixture
def run(runs: Path, full: Recipe) -> Path:
    """The finished run of `full`; made once."""
    if not (runs / "full").exists():
        run_recipe(full, out=runs / "full")
    return runs / "full"


def saved_by_now(run: Path, *, epoch: int) -> CheckpointInfo:
    """What is known of the last checkpoint, once the thread that writes it has come to an epoch."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(CheckpointError):  # while it is exchanged
            if (found := Checkpoint.of_run(run / "checkpoints" / "last").info).epoch == epoch:
                return found
        time.sleep(0.01)
    pytest.fail(f"epoch {epoch} is not saved")


@pytest.mark.integration
def test_the_last_checkpoint_is_that_of_the_last_epoch_though_validation_is_seldom(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    seen = []

    class Looking:
        """Looks at the checkpoint when it hears of an epoch."""

        def run_started(self, *_: object) -> None:
            """Nothing to look at yet."""

        progressed = run_finished = run_started

        def epoch_finished(self, facts: Mapping[str, float]) -> None:
            kept = saved_by_now(tmp_path / "run", epoch=int(facts["epoch"]))
            seen.append((facts["epoch"], kept.epoch, kept.chosen_by[:14]))

    recipe = make_recipe(train={"epochs": 3, "validate_every": 3})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ObserverGroup, "of", classmethod(lambda cls, recipe: ObserverGroup([("looking", Looking())])))
        run_recipe(recipe, out=tmp_path / "run")
    assert seen == [(1, 1, "the last epoch"), (2, 2, "the last epoch"), (3, 3, "best R@1 text ")]


@pytest.mark.integration
def test_a_kill_between_checkpoint_and_log_loses_no_line_and_doubles_none(
    full: Recipe, run: Path, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    def epochs(folder: Path) -> list[Any]:
        events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return [
            {key: value for key, value in event.items() if key != "seconds"}
            for event in events
            if event["event"] == "epoch_finished"
        ]

    copy = shutil.copytree(run, tmp_path / "run")
    log = copy / "metrics.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    started, first, second, _finished = lines
    for left in ([started], [started, first], [started, first, first[:20]], [started, first, second, second, first]):
        log.write_text("".join(left))
        (copy / "SHA256SUMS").unlink()  # a run that has not ended has none
        run_recipe(full, resume=copy)
        assert epochs(copy) == epochs(run)


@pytest.mark.integration
def test_the_state_that_a_run_goes_on_from_is_not_kept_in_memory(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, kept = make_recipe(train={"epochs": 2}), []

    class Counting:
        """Counts the states in memory at every step of training."""

        def run_started(self, *_: object) -> None:
            """Nothing to count yet."""

        epoch_finished = run_finished = run_started

        def progressed(self, what: str, done: int, total: int) -> None:
            if what == "training":
                gc.collect()
                kept.append(sum(type(one) is TrainingState for one in gc.get_objects()))
                if done == 3 and len(kept) == 3:
                    os.kill(os.getpid(), signal.SIGINT)

    watched = classmethod(lambda cls, recipe: ObserverGroup([("counting", Counting())]))
    monkeypatch.setattr(ObserverGroup, "of", watched)
    with pytest.raises(Interrupted):
        run_recipe(recipe, out=tmp_path / "run")
    run_recipe(recipe, resume=tmp_path / "run")
    assert kept == [0] * 6


@pytest.mark.integration
def test_two_cannot_work_on_one_run(full: Recipe, run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    words = r"run: another fdakit works on this run \(process \d+ on "
    with RunFolder(copy).held(), pytest.raises(FdakitError, match=words):
        run_recipe(full, resume=copy)
    assert run_recipe(full, resume=copy).report.to_json() == json.loads((run / "report.json").read_text())
    assert not (copy / ".lock").exists()
    with pytest.raises(FdakitError, match="nowhere: no such run folder"):
        run_recipe(full, resume=tmp_path / "nowhere")


def spoil(path: Path, *, gone: bool) -> None:
    """Remove a file, or change a bit of it."""
    content = path.read_bytes()
    path.unlink()
    if not gone:
        path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])


def equal(one: Path, other: Path, name: str) -> bool:
    """Whether two runs have the same weights to the bit; the header of their files is in any order."""
    left, right = (load_file(run / "checkpoints" / name / "model.safetensors") for run in (one, other))
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


FILES = ("model.safetensors", "training.pt", "recipe.toml", "checkpoint.json", "SHA256SUMS")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("kept", "gone"), [*((file, False) for file in FILES[:4]), *((file, True) for file in ("", *FILES[::4]))]
)
def test_a_damaged_last_checkpoint_is_told_and_the_one_before_is_used(
    full: Recipe, run: Path, tmp_path: Path, kept: str, gone: bool
) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    last = copy / "checkpoints" / "last"
    if kept:
        spoil(last / kept, gone=gone)
    else:
        shutil.rmtree(last)
    told = (
        f"last/{kept or 'training.pt'}: .*; the checkpoint before it is tried instead: it is whole, and the run goes"
    )
    with pytest.warns(UserWarning, match=f"{told} on after its step 3") as caught:
        finished = run_recipe(full, resume=copy)
    assert finished.report.to_json() == json.loads((run / "report.json").read_text())
    assert [name for name in ("best", "last", "previous") if not equal(copy, run, name)] == []
    moved = [one for one in caught if str(one.message).endswith(f"is now in {copy / 'checkpoints' / 'damaged'}")]
    assert len(moved) == (copy / "checkpoints" / "damaged").is_dir() == bool(kept)


@pytest.mark.integration
def test_two_damaged_checkpoints_are_both_told_and_left_as_they_are(full: Recipe, run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    spoil(copy / "checkpoints" / "last" / "training.pt", gone=False)
    spoil(copy / "checkpoints" / "previous" / "model.safetensors", gone=True)
    before = {file: file.read_bytes() for file in sorted(copy.rglob("*")) if file.is_file()}
    words = r"last/training\.pt: changed .*:\n.*previous/model\.safetensors: .*: start the run again, or .*/best"
    with pytest.raises(CheckpointError, match=words):
        run_recipe(full, resume=copy)
    assert {file: file.read_bytes() for file in sorted(copy.rglob("*")) if file.is_file()} == before


@pytest.mark.integration
@pytest.mark.parametrize("kept", ["checkpoint.json", "recipe.toml"])
@pytest.mark.parametrize("gone", [False, True])
def test_a_changed_file_of_the_best_checkpoint_of_a_finished_run_is_told_and_all_left_as_it_is(
    full: Recipe, run: Path, tmp_path: Path, kept: str, gone: bool
) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    spoil(copy / "checkpoints" / "best" / kept, gone=gone)
    before = {file: file.read_bytes() for file in sorted(copy.rglob("*")) if file.is_file()}
    said = "absent, so this run cannot be resumed" if gone else "changed or damaged since it was written"
    advice = r"put back what the run wrote, or evaluate .*checkpoints/last; if report\.json is removed"
    with pytest.raises(CheckpointError, match=rf"best/{kept}: {said}.*; {advice}"):
        run_recipe(full, resume=copy)
    assert {file: file.read_bytes() for file in sorted(copy.rglob("*")) if file.is_file()} == before


@pytest.mark.integration
def test_a_best_checkpoint_of_a_finished_run_that_is_gone_is_told(full: Recipe, run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(copy / "checkpoints" / "best")
    with pytest.raises(CheckpointError, match=r"best/model\.safetensors: absent, so this run cannot be resumed"):
        run_recipe(full, resume=copy)


@pytest.mark.integration
def test_a_damaged_list_of_digests_is_told_as_such_and_a_run_without_it_goes_on(
    full: Recipe, run: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "SHA256SUMS").write_text("torn")
    with pytest.raises(ScoreError, match=r"run/SHA256SUMS: line 1: .*; remove it; the run writes it anew"):
        run_recipe(full, resume=copy)
    (copy / "SHA256SUMS").unlink()
    run_recipe(full, resume=copy)
    assert (copy / "SHA256SUMS").is_file()
    (copy / "checkpoints" / "last" / "SHA256SUMS").write_text("torn")
    with pytest.warns(
        UserWarning, match=r"last/SHA256SUMS: line 1: .*; the checkpoint before it is tried instead: it"
    ):
        run_recipe(full, resume=copy)
