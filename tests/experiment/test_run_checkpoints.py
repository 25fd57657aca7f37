"""Checkpoints are written beside the training: inside epochs too, and a full disk costs no more than a warning."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file

from fdakit import CheckpointError
from fdakit.experiment import run_checkpoints
from fdakit.experiment.fingerprint import Fingerprint
from fdakit.experiment.run import run_recipe
from fdakit.experiment.run_checkpoints import RunCheckpoints
from fdakit.experiment.run_folder import RunFolder
from fdakit.inference import save_checkpoint as writing
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.checkpoint_info import CheckpointInfo
from fdakit.inference.observers import ObserverGroup
from fdakit.model.retriever import Retriever
from fdakit.plugin.contracts import Preprocess
from fdakit.recipe.recipe import Recipe
from fdakit.report.evaluation_report import BothMetrics
from fdakit.training.trainer import Position, Trainer

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore")]

MakeRecipe = Callable[..., Recipe]
EVERY_STEP = 1e-9  # minutes


@pytest.fixture
def three(make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A run of three epochs of three steps, of which the second is the best."""
    recipe = make_recipe(train={"epochs": 3, "max_steps": 9}, eval={"bootstrap": 0})

    def measured(rankings: Any, ties: Any) -> BothMetrics:
        found = {"R@1": next(recall), "MnR": 1.0}
        return BothMetrics(t2v=found, v2t=found)

    recall = iter([20.0, 60.0, 40.0] * 9)
    monkeypatch.setattr("fdakit.experiment.model_selection.both_metrics", measured)
    return recipe


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "run"


@pytest.fixture
def whole(kept: Path, three: Recipe) -> Path:
    """The finished run of `three`, undisturbed; made once."""
    if not kept.exists():
        run_recipe(three, out=kept)
    return kept


def differing(one: Path, other: Path) -> list[str]:
    """Checkpoints of two runs whose weights differ in any bit."""
    names = []
    for name in ("best", "last"):
        left, right = (load_file(run / "checkpoints" / name / "model.safetensors") for run in (one, other))
        if left.keys() != right.keys() or not all(torch.equal(left[key], right[key]) for key in left):
            names.append(name)
    return names


def step_of(run: Path, name: str) -> int:
    """The step of a checkpoint that is intact in every file."""
    found = Checkpoint.of_run(run / "checkpoints" / name)
    found.check_resumable()
    return found.info.step or 0


def hidden(run: Path) -> list[Path]:
    return [path for path in run.rglob(".*") if path.name != ".lock"]


def test_a_run_that_breaks_off_inside_an_epoch_goes_on_from_there(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    often = {"checkpoint_minutes": EVERY_STEP, "epochs": 1}
    quiet = make_recipe(train=often)
    run_recipe(quiet, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run_recipe(
            make_recipe(train=often, observer=[{"use": "watching", "step": 3, "presses": 2}]), out=tmp_path / "run"
        )
    found = Checkpoint.of_run(tmp_path / "run" / "checkpoints" / "last")
    assert (found.info.epoch, found.info.chosen_by[:13]) == (0, "the last step")
    assert 1 <= step_of(tmp_path / "run", "last") <= 2
    assert found.state().position == [0, found.info.step, found.info.step]
    assert hidden(tmp_path / "run") == []
    run_recipe(quiet, resume=tmp_path / "run")
    assert differing(tmp_path / "run", tmp_path / "whole") == []


def test_a_second_signal_gives_up_the_checkpoint_under_way(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, real = threading.Event(), writing.save_file

    class Pressing(Filling):
        """Presses Ctrl-C twice while the checkpoint of the first step is written."""

        def progressed(self, what: str, done: int, total: int) -> None:
            if (what, done) == ("training", 2):
                threading.Timer(0.2, may_end.set).start()
                for _ in range(2):
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(0.01)

    def save(tensors: Any, path: Path, **more: Any) -> None:
        real(tensors, path, **more)
        assert may_end.wait(30)

    monkeypatch.setattr(writing, "save_file", save)
    watchers = ObserverGroup([("pressing", Pressing(tmp_path, 0))])
    monkeypatch.setattr(ObserverGroup, "of", classmethod(lambda cls, recipe: watchers))
    with pytest.raises(KeyboardInterrupt) as caught:
        run_recipe(make_recipe(train={"checkpoint_minutes": EVERY_STEP}), out=tmp_path / "run")
    assert type(caught.value) is KeyboardInterrupt
    assert may_end.is_set()  # the file was written to its end, and then given up
    assert list((tmp_path / "run" / "checkpoints").iterdir()) == []


def half(path: Path) -> None:
    """Leave a part of a file, as a full disk does."""
    path.write_bytes(b"half")


class Refusing:
    """The second writing of a checkpoint finds the disk full at one of its files; the others find room."""

    def __init__(self, name: str) -> None:
        self.name, self.count = name, 0
        self.threads: set[str] = set()

    def meets(self, path: Path) -> bool:
        """Whether the disk is full now, if this is a file of the checkpoint."""
        if f".{self.name}.new" not in path.parts:
            return False
        self.count += 1
        self.threads.add(threading.current_thread().name)
        return self.count == 2


def refuse_weights(full: Refusing, patch: pytest.MonkeyPatch) -> None:
    class SafetensorError(Exception):
        """What safetensors raises, which is no OSError."""

    real = writing.save_file

    def save(tensors: Any, path: Path, **more: Any) -> None:
        if full.meets(path):
            half(path)
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        real(tensors, path, **more)

    patch.setattr(writing, "save_file", save)


def refuse_state(full: Refusing, patch: pytest.MonkeyPatch) -> None:
    real = torch.save

    def save(state: Any, handle: Any) -> None:
        if full.meets(Path(handle.name)):
            try:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 241152 vs 241104")
        real(state, handle)

    patch.setattr(torch, "save", save)


def refuse_text(name: str) -> Callable[[Refusing, pytest.MonkeyPatch], None]:
    def refuse(full: Refusing, patch: pytest.MonkeyPatch) -> None:
        real = Path.write_text

        def write(path: Path, *arguments: Any, **more: Any) -> int:
            if path.name == name and full.meets(path):
                half(path)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(path, *arguments, **more)

        patch.setattr(Path, "write_text", write)

    return refuse


def refuse_rename(full: Refusing, patch: pytest.MonkeyPatch) -> None:
    real = os.rename

    def rename(source: Any, target: Any, **more: Any) -> None:
        if full.meets(Path(source)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target, **more)

    patch.setattr(os, "rename", rename)


PHASES = {
    "weights": refuse_weights,
    "state": refuse_state,
    "recipe": refuse_text("recipe.toml"),
    "info": refuse_text("checkpoint.json"),
    "sums": refuse_text("SHA256SUMS"),
    "rename": refuse_rename,
}
CASES = [("last", phase) for phase in PHASES] + [("best", phase) for phase in ("weights", "sums", "rename")]


@pytest.mark.parametrize(("name", "phase"), CASES)
def test_a_disk_that_is_full_in_any_phase_costs_a_warning_and_a_retry(
    three: Recipe, whole: Path, tmp_path: Path, name: str, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, stood, real = Refusing(name), [], run_checkpoints.save_checkpoint

    def save(folder: Path, *arguments: Any, **more: Any) -> None:
        if folder.name == name and folder.exists():
            stood.append(step_of(tmp_path / "run", name))
        real(folder, *arguments, **more)

    monkeypatch.setattr(run_checkpoints, "save_checkpoint", save)
    PHASES[phase](full, monkeypatch)
    words = (
        rf"checkpoints/{name}: cannot be written \(.*No space left.*\); what was saved before stays, and training "
        r"goes on; make room there .*: it is saved again in 10 minutes or after the epoch \(this was step 6\)"
    )
    with pytest.warns(UserWarning, match=words) as caught:
        run_recipe(three, out=tmp_path / "run")
    assert len([one for one in caught if "cannot be written" in str(one.message)]) == 1
    assert stood == [3, 3]  # before the disk was full, and after it
    assert full.threads == {"fdakit checkpoint writer"}
    assert differing(tmp_path / "run", whole) == []
    assert [step_of(tmp_path / "run", kept) for kept in ("best", "last")] == [6, 9]
    assert hidden(tmp_path / "run") == []


def test_no_last_checkpoint_tells_of_a_best_one_that_was_not_written(
    three: Recipe, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best of the second epoch waits in memory; a kill in the third would go on from the first."""
    refuse_weights(Refusing("best"), monkeypatch)
    stood = []
    real = run_checkpoints.save_checkpoint

    def save(folder: Path, *arguments: Any, **more: Any) -> None:
        real(folder, *arguments, **more)
        stood.append((folder.name, more["info"].step, Checkpoint.of_run(folder).info.step))

    monkeypatch.setattr(run_checkpoints, "save_checkpoint", save)
    run_recipe(three, out=tmp_path / "run")
    assert stood == [("best", 3, 3), ("last", 3, 3), ("best", 6, 6), ("last", 9, 9)]
    assert differing(tmp_path / "run", whole) == []


def test_at_the_end_of_a_run_a_full_disk_is_an_error_that_loses_nothing(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(eval={"bootstrap": 0})
    with monkeypatch.context() as patch:
        refuse_state(Refusing("last"), patch)  # the second is the final one
        with pytest.raises(
            CheckpointError, match=r"last: cannot be written .*then resume with `fdakit run --resume`"
        ):
            run_recipe(recipe, out=tmp_path / "run")
    assert step_of(tmp_path / "run", "last") == 3
    run_recipe(recipe, resume=tmp_path / "run")
    assert step_of(tmp_path / "run", "last") == 6


def test_what_is_no_matter_of_the_disk_ends_the_training(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(state: Any, handle: Any) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        run_recipe(make_recipe(), out=tmp_path / "run")


@contextmanager
def small_disk(folder: Path, *, size: int) -> Iterator[Path]:
    """A file system of its own; only root may make one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Filling:
    """An observer that leaves little room on the disk after the first epoch, and makes room after the third."""

    def __init__(self, disk: Path, room: int) -> None:
        self.disk, self.room = disk, room

    def run_started(self, *_: object) -> None:
        """Nothing yet."""

    progressed = run_finished = run_started

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        if facts["epoch"] == 1:
            for thread in threading.enumerate():
                if thread.name == "fdakit checkpoint writer":
                    thread.join()
            free = os.statvfs(self.disk)
            (self.disk / "ballast").write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - self.room)))
        if facts["epoch"] == 3:
            (self.disk / "ballast").unlink()


@pytest.mark.parametrize(
    "rooms", [pytest.param(1, id="one"), pytest.param(16, id="sixteen", marks=pytest.mark.proof)]
)
def test_a_disk_that_is_really_full_for_two_epochs(
    make_recipe: MakeRecipe, tmp_path: Path, rooms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(train={"epochs": 4, "max_steps": 12, "checkpoint_minutes": EVERY_STEP})
    run_recipe(recipe, out=tmp_path / "whole")
    checkpoints = tmp_path / "whole" / "checkpoints"
    sizes = {name: sum(file.stat().st_size for file in (checkpoints / name).iterdir()) for name in ("best", "last")}
    told = 0
    with small_disk(tmp_path / "disk", size=4 * sizes["last"] + 2 * sizes["best"] + 200_000) as disk:
        for number in range(rooms):
            room = number * sizes["last"] // rooms
            watchers = ObserverGroup([("filling", Filling(disk, room))])
            with monkeypatch.context() as patch, pytest.warns(UserWarning) as caught:
                patch.setattr(ObserverGroup, "of", classmethod(lambda cls, recipe, of=watchers: of))
                run_recipe(recipe, out=disk / f"run-{number}")
            said = [str(one.message) for one in caught if "cannot be written" in str(one.message)]
            assert said, f"{room} bytes were enough"
            assert all("No space left" in line and "what was saved before stays" in line for line in said)
            told += len(said)
            assert differing(disk / f"run-{number}", tmp_path / "whole") == []
            assert hidden(disk / f"run-{number}") == []
            subprocess.run(["rm", "-r", str(disk / f"run-{number}")], check=True)
    print(f"{rooms} runs on a disk that is full for two epochs: {told} checkpoints refused, all weights as without")


@pytest.fixture
def checkpoints(tmp_path: Path) -> Callable[..., RunCheckpoints]:
    """Of a run that trains nothing."""

    def make(**more: Any) -> RunCheckpoints:
        retriever = cast(Retriever, torch.nn.Linear(1, 1))
        retriever.preprocess = Preprocess(size=8, mean=(0.5,) * 3, std=(0.5,) * 3)
        start = Fingerprint(recipe={}, splits={})
        return RunCheckpoints(RunFolder(tmp_path), retriever, recipe_text="", start=start, **more)

    return make


def test_a_checkpoint_is_due_when_its_time_has_passed(
    checkpoints: Callable[..., RunCheckpoints], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(run_checkpoints.time, "monotonic", lambda: now[0])
    with checkpoints(minutes=10) as ten, checkpoints(minutes=0) as never:
        for seconds, due in ((0, False), (59, False), (60, False), (599, False), (600, True), (9999, True)):
            now[0] = 1000.0 + seconds
            assert (ten.due(), never.due()) == (due, False)
            assert ten.due(share=0.1) == (due or seconds >= 60)
            assert not never.due(share=0.1)


def test_the_plain_facts_of_a_run_are_in_each_of_its_checkpoints(whole: Path) -> None:
    found = [Checkpoint.of_run(whole / "checkpoints" / name).info for name in ("last", "previous")]
    assert [(info.epoch, info.step, info.chosen_on) for info in found] == [(3, 9, "val"), (2, 6, "val")]


class Trained:
    """In the place of a trainer: a state and a position."""

    position = Position(epoch=0, step=2, done=2)
    sharded = False

    def state(self) -> dict[str, Any]:
        return {"position": [0, 2, 2], "rng": torch.get_rng_state()}


def test_a_process_that_does_not_write_does_nothing(
    checkpoints: Callable[..., RunCheckpoints], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered = []
    monkeypatch.setattr(run_checkpoints, "take_snapshot", lambda *a, **k: gathered.append(a))
    with checkpoints(minutes=1e-9, writes=False) as silent:
        assert not silent.due()
        silent.save(cast(Trainer, Trained()), CheckpointInfo(step=2), quality=None, as_best=True, final=True)
        silent.save_untrained(CheckpointInfo())
        silent.write_notes()
    assert not gathered
    assert list(tmp_path.iterdir()) == []
