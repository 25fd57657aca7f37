"""A run that is killed again and again ends as one that never was: same report, same log, no process left."""

from __future__ import annotations

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
from pathlib import Path
from typing import Any

import pytest
from helpers.run_damage import say

from fdakit.errors import CheckpointError
from fdakit.experiment.run_folder import recipe_text
from fdakit.inference.checkpoint import Checkpoint
from fdakit.recipe.recipe import Recipe

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, kills and looks into /proc")
EPOCHS = 4


@pytest.fixture
def recipe(make_recipe: Callable[..., Recipe], tmp_path: Path) -> Path:
    """A run of some seconds with a log, validated every second epoch."""
    path = tmp_path / "small.toml"
    train = {"epochs": EPOCHS, "validate_every": 2}
    path.write_text(recipe_text(make_recipe(train=train, observer=[{"use": "jsonl"}])))
    return path


def forked(*arguments: object) -> int:
    """`fdakit ...` in a process of its own, without the seconds that imports take; its id."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            code = say(*arguments).code
        finally:
            os._exit(code)
    return child


def epochs(run: Path) -> list[Any]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{**line, "seconds": 0} for line in lines if line["event"] == "epoch_finished"]


def check_what_stands(run: Path) -> int:
    """The step of the last checkpoint; both are whole wherever the kill came."""
    for name in ("best", "last"):
        try:
            found = Checkpoint.open(run / "checkpoints" / name)
        except CheckpointError:  # none yet
            continue
        found.check_weights()
        assert found.info.step
        if name == "last":
            return found.state().position[2]
    return 0


@pytest.mark.parametrize(
    "kills", [pytest.param(3, id="three"), pytest.param(54, id="fifty-four", marks=pytest.mark.proof)]
)
def test_a_run_that_is_killed_loses_an_epoch_at_most_and_ends_the_same(
    recipe: Path, tmp_path: Path, kills: int
) -> None:
    whole = tmp_path / "whole"
    start = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(forked("run", recipe, "--out", whole), 0)[1]) == 0
    length = time.monotonic() - start
    rng, outcomes, done, rounds = random.Random(kills), Counter[str](), 0, 0
    while done < kills:
        run = tmp_path / f"run-{rounds}"
        rounds += 1
        step = 0
        while True:
            started = (run / "checkpoints").is_dir() and check_what_stands(run) > 0
            if not started:
                shutil.rmtree(run, ignore_errors=True)
            child = forked("run", *(("--resume", run) if started else (recipe, "--out", run)))
            killed = done < kills
            if killed:
                time.sleep(rng.random() * length * 0.8)
                os.kill(child, rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            outcomes[{0: "ended", 143: "saved", -9: "killed", -15: "ended at once"}.get(code, f"code {code}")] += 1
            done += killed
            now = check_what_stands(run)
            assert now >= step, "a step that was saved is lost"
            step = now
            if code == 0:
                break
        assert (run / "report.json").read_bytes() == (whole / "report.json").read_bytes()
        assert epochs(run) == epochs(whole)
        assert not [path for path in run.rglob(".*") if path.name != ".lock"]
    print(f"{done} kills over {rounds} runs of {length:.1f} s: {dict(outcomes)}")
    assert not [outcome for outcome in outcomes if outcome.startswith("code")], outcomes


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


WAYS: tuple[Callable[[int], None], ...] = (
    lambda pid: os.kill(pid, signal.SIGKILL),
    lambda pid: os.kill(pid, signal.SIGTERM),
    end_group,
)


@pytest.mark.integration
@pytest.mark.parametrize("kills", [pytest.param(1, id="one"), pytest.param(6, id="six", marks=pytest.mark.proof)])
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
            assert main.wait(timeout=120) in (-9, 143), (tmp_path / "log").read_text()
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
