"""Runs that are killed, once or again and again, end as one that never was: same weights, report and log."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.run_damage import say
from safetensors.torch import load_file

import fdakit.experiment.run  # noqa: F401 - so that a forked process need not import it
from fdakit.errors import CheckpointError
from fdakit.experiment.run_folder import recipe_text
from fdakit.inference.checkpoint import Checkpoint
from fdakit.recipe.recipe import Recipe

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, kills and looks into /proc")
EPOCHS = 4
EVERY_STEP = 1e-9  # minutes


@pytest.fixture
def recipe(make_recipe: Callable[..., Recipe], tmp_path: Path) -> Path:
    """A run of some seconds with a log, validated every second epoch and saved after every step."""
    path = tmp_path / "small.toml"
    train = {"epochs": EPOCHS, "batch_size": 2, "validate_every": 2, "checkpoint_minutes": EVERY_STEP}
    path.write_text(recipe_text(make_recipe(train=train, observer=[{"use": "jsonl"}])))
    return path


def forked(*arguments: object) -> int:
    """`fdakit ...` in a process of its own, without the seconds that imports take; its id."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            for number in (signal.SIGTERM, signal.SIGUSR1):
                signal.signal(number, signal.SIG_DFL)
            code = say(*arguments).code
        finally:
            os._exit(code)
    return child


def ended(child: int) -> int:
    """The exit code of a process, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def epochs(run: Path) -> list[Any]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{**line, "seconds": 0} for line in lines if line["event"] == "epoch_finished"]


def check_what_stands(run: Path) -> int:
    """The step of the last checkpoint; all are whole wherever the kill came."""
    steps = {"best": 0, "last": 0, "previous": 0}
    for name in steps:
        try:
            found = Checkpoint.open(run / "checkpoints" / name)
        except CheckpointError:  # none yet
            continue
        found.check_resumable()
        steps[name] = found.state().position[2] if name != "best" else found.info.step or 0
        assert steps[name]
    assert steps["previous"] <= steps["last"]
    return steps["last"]


@dataclass(frozen=True)
class Whole:
    """The run that is never killed, and the seconds it took."""

    run: Path
    seconds: float

    def check(self, run: Path) -> None:
        """Another run has ended in the same way: to the bit, with each epoch once in its log, and nothing left."""
        assert (run / "report.json").read_bytes() == (self.run / "report.json").read_bytes()
        assert epochs(run) == epochs(self.run)
        for name in ("best", "last"):
            one, other = (load_file(path / "checkpoints" / name / "model.safetensors") for path in (run, self.run))
            assert one.keys() == other.keys()
            assert all(torch.equal(one[key], other[key]) for key in one), name
        assert not [path for path in run.rglob(".*") if path.name != ".lock"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Whole]:
    return {}


@pytest.fixture
def whole(recipe: Path, kept: dict[str, Whole], tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Made once."""
    if not kept:
        start, run = time.monotonic(), tmp_path_factory.mktemp("kept") / "run"
        assert ended(forked("run", recipe, "--out", run)) == 0
        kept["run"] = Whole(run, time.monotonic() - start)
    return kept["run"]


def begun(recipe: Path, run: Path) -> int:
    """A process that begins a run or, if it has saved something, resumes it."""
    if (run / "checkpoints").is_dir() and check_what_stands(run) > 0:
        return forked("run", "--resume", run)
    shutil.rmtree(run, ignore_errors=True)
    return forked("run", recipe, "--out", run)


def wait_for_step(run: Path, step: int, *, seconds: float) -> None:
    """Wait until a run has saved a step, at most so long."""
    last, deadline = run / "checkpoints" / "last" / "checkpoint.json", time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):  # none yet, or just exchanged
            if json.loads(last.read_bytes())["step"] >= step:
                return
        time.sleep(0.002)


def outcome(code: int) -> str:
    known = {0: "ended", 143: "stopped by SIGTERM", 138: "stopped by SIGUSR1", -9: "killed", -15: "ended at once"}
    return known.get(code, f"code {code}")


ONE_OF_EACH = {signal.SIGKILL: 1, signal.SIGUSR1: 1}
MANY = {signal.SIGKILL: 30, signal.SIGTERM: 10, signal.SIGUSR1: 4}


@pytest.mark.parametrize(
    "counts", [pytest.param(ONE_OF_EACH, id="two"), pytest.param(MANY, id="forty-four", marks=pytest.mark.proof)]
)
def test_a_run_that_is_ended_at_any_moment_goes_on_to_the_same_bits(
    recipe: Path, whole: Whole, tmp_path: Path, counts: dict[int, int]
) -> None:
    """Moments lie evenly over the steps of a run, and at random within a step and the writing of its checkpoint."""
    total = check_what_stands(whole.run)
    steps = []
    for number, count in counts.items():
        outcomes: Counter[str] = Counter()
        rng = random.Random(number)
        for moment in range(count):
            run = tmp_path / f"run-{number}-{moment}"
            child = begun(recipe, run)
            wait_for_step(run, int((moment + 0.5 + rng.random() / 2) / count * total), seconds=whole.seconds)
            time.sleep(rng.random() * 2 * whole.seconds / total)
            os.kill(child, number)
            outcomes[outcome(ended(child))] += 1
            steps.append(check_what_stands(run) if (run / "checkpoints").is_dir() else 0)
            assert ended(begun(recipe, run)) == 0
            whole.check(run)
            shutil.rmtree(run)
        print(f"{signal.Signals(number).name} at {count} moments: {dict(outcomes)}")
        assert not [said for said in outcomes if said.startswith("code")], outcomes
    print(f"of {total} steps, the last that was saved: {sorted(steps)}; each run ended with the same weights")


@pytest.mark.parametrize(
    "kills", [pytest.param(3, id="three"), pytest.param(54, id="fifty-four", marks=pytest.mark.proof)]
)
def test_a_run_that_is_killed_again_and_again_loses_no_step_that_was_saved_and_ends_the_same(
    recipe: Path, whole: Whole, tmp_path: Path, kills: int
) -> None:
    rng, outcomes, done, rounds = random.Random(kills), Counter[str](), 0, 0
    while done < kills:
        run = tmp_path / f"run-{rounds}"
        rounds += 1
        step, code = 0, -1
        while code:
            child = begun(recipe, run)
            killed = done < kills
            if killed:
                time.sleep(rng.random() * whole.seconds * 0.8)
                os.kill(child, rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
            code = ended(child)
            outcomes[outcome(code)] += 1
            done += killed
            now = check_what_stands(run)
            assert now >= step, "a step that was saved is lost"
            step = now
        whole.check(run)
    print(f"{done} kills over {rounds} runs of {whole.seconds:.1f} s: {dict(outcomes)}")
    assert not [said for said in outcomes if said.startswith("code")], outcomes


def processes_of(mark: str) -> list[int]:
    """The processes that carry the mark in their environment, the dead that nobody has buried left out."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (place / "environ").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def end_group(pid: int) -> None:
    """As `timeout` does it: the process, then its group, which is the process again and its workers."""
    os.kill(pid, signal.SIGTERM)
    os.killpg(pid, signal.SIGTERM)


def warn_group(pid: int) -> None:
    """As Slurm does it: the process and its workers."""
    os.killpg(pid, signal.SIGUSR1)


WAYS: tuple[Callable[[int], None], ...] = (
    lambda pid: os.kill(pid, signal.SIGKILL),
    lambda pid: os.kill(pid, signal.SIGTERM),
    end_group,
    warn_group,
)


@pytest.mark.integration
@pytest.mark.parametrize("kills", [pytest.param(1, id="one"), pytest.param(8, id="eight", marks=pytest.mark.proof)])
def test_no_loader_worker_is_left_of_a_run_that_is_killed(recipe: Path, tmp_path: Path, kills: int) -> None:
    text = recipe.read_text().replace("workers = 0", "workers = 2").replace(f"epochs = {EPOCHS}", "epochs = 600")
    recipe.write_text(text)
    rng, most = random.Random(kills), 0
    for number in range(kills):
        mark = f"FDAKIT_TRIAL={uuid.uuid4().hex}"
        environment = {**os.environ, **dict([mark.split("=")])}
        command = [sys.executable, "-m", "fdakit", "run", str(recipe), "--out", str(tmp_path / f"run-{number}")]
        log = (tmp_path / "log").open("wb")
        main = subprocess.Popen(command, env=environment, stderr=log, stdout=log, start_new_session=True)
        try:
            deadline = time.monotonic() + 120
            while len(processes_of(mark)) < 2:  # until workers begin to start
                assert main.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            time.sleep(rng.random() * 2)
            most = max(most, len(processes_of(mark)))
            end = WAYS[number % len(WAYS)]
            end(main.pid)
            assert main.wait(timeout=120) in (-9, 143, 138), (tmp_path / "log").read_text()
            deadline = time.monotonic() + 10
            while left := processes_of(mark):
                assert time.monotonic() < deadline, f"kill {number}: {left} live on"
                time.sleep(0.05)
        finally:
            for process in processes_of(mark):
                os.kill(process, signal.SIGKILL)
            main.wait()
            log.close()
    print(f"{kills} kills of runs with up to {most} processes: none left")
