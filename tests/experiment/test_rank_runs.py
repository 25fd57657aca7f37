"""Runs on two processes: the files of one, stops that both agree on, and the loss of one, named and survived."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.run_damage import say
from safetensors.torch import load_file

import fdakit.experiment.run  # noqa: F401 - so that a forked process need not import it
from fdakit.catalog import Catalog
from fdakit.errors import CheckpointError, FdakitError, PartError
from fdakit.experiment.run_folder import recipe_text
from fdakit.inference.checkpoint import Checkpoint
from fdakit.recipe.recipe import Recipe

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="forks and kills"),
]
LOST = 75
Ranks = list[int]


@pytest.fixture
def recipe(make_recipe: Callable[..., Recipe], tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    train = {"epochs": 3, "batch_size": 4, "micro_batch": 2, "validate_every": 2, "checkpoint_minutes": 1e-9}
    made = make_recipe(train=train, observer=[{"use": "jsonl"}], aggregator={"use": "mean"})
    path.write_text(recipe_text(made))
    return path


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def started(*arguments: object, size: int = 2) -> Ranks:
    """`fdakit ...` on several processes, as torchrun starts them; their ids by rank."""
    common = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    found = []
    for rank in range(size):
        child = os.fork()
        if child == 0:
            code = 70
            try:
                for number in (signal.SIGTERM, signal.SIGUSR1):
                    signal.signal(number, signal.SIG_DFL)
                values = {**common, "RANK": rank, "LOCAL_RANK": rank}
                os.environ.update({name: str(value) for name, value in values.items()})
                said = say(*arguments)
                code = said.code
                Path(f"{os.environ['TRIAL']}/rank-{rank}.log").write_text(said.err)
            finally:
                os._exit(code)
        found.append(child)
    return found


def codes(children: Ranks) -> list[int]:
    """How the processes ended; as torchrun does it, others are killed some time after one has failed."""
    found: dict[int, int] = {}
    deadline = time.monotonic() + 300
    while len(found) < len(children):
        for child in set(children) - set(found):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                found[child] = os.waitstatus_to_exitcode(status)
                if found[child]:
                    deadline = min(deadline, time.monotonic() + 30)
            elif time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
        time.sleep(0.02)
    return [found[child] for child in children]


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what the ranks say."""
    monkeypatch.setenv("TRIAL", str(tmp_path))
    return tmp_path


def step_of(run: Path) -> int:
    """The step of the last checkpoint, 0 before the first."""
    try:
        found = Checkpoint.open(run / "checkpoints" / "last")
        return found.state().position[2]
    except CheckpointError:
        return 0


def wait_for_step(run: Path, step: int, children: Ranks) -> None:
    deadline = time.monotonic() + 120
    while step_of(run) < step:
        assert time.monotonic() < deadline
        assert all(os.waitpid(child, os.WNOHANG) == (0, 0) for child in children), "ended too early"
        time.sleep(0.02)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return {
        f"{name} {key}": value
        for name in ("best", "last")
        for key, value in load_file(run / "checkpoints" / name / "model.safetensors").items()
    }


KEYS = "attn.in_proj_bias"
"""Of biases on attention's keys nothing depends: their gradients are rounding errors, which Adam makes large."""


def farthest(one: Path, other: Path, *, apart_from: str = "nothing") -> float:
    """The largest difference of two runs' weights, relative to the largest of each."""
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    chosen = [key for key in first if apart_from not in key]
    return max(float((first[key] - second[key]).abs().max() / second[key].abs().max()) for key in chosen)


def state_layout(run: Path) -> object:
    """The shapes of an optimiser's state in a run's last checkpoint, by the number of the weight."""
    state = Checkpoint.open(run / "checkpoints" / "last").state().for_trainer()["optimiser"]
    return {
        number: {name: tuple(value.shape) for name, value in held.items()} for number, held in state["state"].items()
    }


def test_two_processes_make_the_files_of_one_and_evaluate_alike(recipe: Path, trial: Path) -> None:
    one, two = trial / "one", trial / "two"
    assert say("run", recipe, "--out", one).code == 0
    assert codes(started("run", recipe, "--out", two)) == [0, 0]
    files = [sorted(str(path.relative_to(run)) for path in run.rglob("*")) for run in (one, two)]
    assert files[0] == files[1]
    assert farthest(two, one) <= 1e-5
    reports = [json.loads((run / "report.json").read_text()) for run in (one, two)]
    assert reports[0]["videos"] == reports[1]["videos"]
    assert len((two / "metrics.jsonl").read_text().splitlines()) == len(
        (one / "metrics.jsonl").read_text().splitlines()
    )
    assert (trial / "rank-1.log").read_text() == "", "rank 0 alone speaks"
    assert codes(started("eval", "--checkpoint", two, "--out", trial / "again")) == [0, 0]
    assert json.loads((trial / "again" / "report.json").read_text()) == reports[1]


def test_a_killed_process_is_named_and_the_run_goes_on_to_the_same_weights(recipe: Path, trial: Path) -> None:
    whole, run = trial / "whole", trial / "run"
    assert codes(started("run", recipe, "--out", whole)) == [0, 0]
    children = started("run", recipe, "--out", run)
    wait_for_step(run, 1, children)
    os.kill(children[1], signal.SIGKILL)
    assert codes(children) == [LOST, -signal.SIGKILL]
    told = (trial / "rank-0.log").read_text()
    assert f"rank 1 (process {children[1]} on" in told
    assert f"fdakit run --resume {run}" in told
    assert codes(started("run", "--resume", run)) == [0, 0]
    assert farthest(run, whole) == 0.0
    assert (run / "report.json").read_bytes() == (whole / "report.json").read_bytes()


def test_an_error_of_one_process_is_told_by_the_other(
    recipe: Path, trial: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fdakit.catalog.load_catalog", lambda: catalog)  # with parts of the tests
    text = recipe.read_text() + '\n[[objective]]\nuse = "failing-on-rank"\n'
    recipe.write_text(text)
    assert codes(started("run", recipe, "--out", trial / "run")) == [2, 1]
    told = [(trial / f"rank-{rank}.log").read_text() for rank in (0, 1)]
    assert "rank 1 failed: objective 'failing-on-rank'" in told[0]
    assert "go on" not in told[0]
    assert "rank 1: objective 'failing-on-rank'" in told[1]


def fail_everywhere(*_: object, **__: object) -> None:
    raise FdakitError("a fault that all find")


def fail_each(*_: object, **__: object) -> None:
    raise FdakitError(f"a fault of process {os.environ['RANK']}")


PLACES = (
    "fdakit.recipe.validation.read_recipe",
    "fdakit.training.trainer.Trainer.run",
)  # not connected yet, connected


@pytest.mark.parametrize("place", PLACES)
def test_an_error_that_all_find_by_themselves_is_told_once(
    recipe: Path, trial: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(place, fail_everywhere)
    assert codes(started("run", recipe, "--out", trial / "run")) == [2, 2]
    told = [(trial / f"rank-{rank}.log").read_text() for rank in (0, 1)]
    assert told[0].endswith("a fault that all find\n")
    assert told[1] == ""


def test_errors_that_differ_are_all_told(recipe: Path, trial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PLACES[0], fail_each)
    assert codes(started("run", recipe, "--out", trial / "run")) == [2, 2]
    told = [(trial / f"rank-{rank}.log").read_text() for rank in (0, 1)]
    assert told == ["a fault of process 0\n", "rank 1: a fault of process 1\n"]


def test_an_error_of_a_part_on_the_first_process_gives_all_its_exit_code(
    recipe: Path, trial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PartError("a part failed")

    monkeypatch.setattr("fdakit.experiment.built_run.build_retriever", fail)
    assert codes(started("run", recipe, "--out", trial / "run")) == [1, 1]
    assert (trial / "rank-1.log").read_text() == ""


def test_a_stop_that_one_process_is_asked_for_is_agreed_and_another_number_goes_on(recipe: Path, trial: Path) -> None:
    whole, run = trial / "whole", trial / "run"
    assert codes(started("run", recipe, "--out", whole)) == [0, 0]
    children = started("run", recipe, "--out", run)
    wait_for_step(run, 1, children)
    os.kill(children[1], signal.SIGTERM)
    assert codes(children) == [143, 143]
    assert "stopped after step" in (trial / "rank-0.log").read_text()
    assert codes(started("run", "--resume", run, size=1)) == [0]
    assert farthest(run, whole) <= 1e-6


def test_divided_weights_train_as_whole_ones_and_are_resumed_by_any_number(recipe: Path, trial: Path) -> None:
    ways = ("--set", "train.ema=0.5", "--set", "train.grad_checkpointing=true")
    divided = ("--set", "train.shard=fsdp2")
    whole, run = trial / "whole", trial / "run"
    assert codes(started("run", recipe, *ways, "--out", whole)) == [0, 0]
    children = started("run", recipe, *ways, *divided, "--out", run)
    wait_for_step(run, 1, children)
    os.kill(children[0], signal.SIGTERM)
    assert codes(children) == [143, 143]
    assert "stopped after step" in (trial / "rank-0.log").read_text()
    assert codes(started("run", "--resume", run)) == [0, 0]
    assert farthest(run, whole, apart_from=KEYS) <= 1e-5
    assert state_layout(run) == state_layout(whole)

    lost = trial / "lost"
    children = started("run", recipe, *ways, *divided, "--out", lost)
    wait_for_step(lost, 1, children)
    os.kill(children[1], signal.SIGKILL)
    assert codes(children) == [LOST, -signal.SIGKILL]
    assert f"fdakit run --resume {lost}" in (trial / "rank-0.log").read_text()
    assert codes(started("run", "--resume", lost, "--set", "train.shard=none", size=1)) == [0]
    assert farthest(lost, whole, apart_from=KEYS) <= 1e-5


@pytest.mark.proof
def test_many_kills_and_stops_on_two_processes(recipe: Path, trial: Path) -> None:
    """SIGKILL thirty times and SIGTERM ten times, at random moments, to either process; and 2, 1 and 2 processes."""
    start = time.monotonic()
    whole = trial / "whole"
    assert codes(started("run", recipe, "--out", whole)) == [0, 0]
    length = time.monotonic() - start
    rng = random.Random(40)
    numbers = [signal.SIGKILL] * 30 + [signal.SIGTERM] * 10
    rng.shuffle(numbers)
    outcomes: Counter[str] = Counter()
    rounds = 0
    while numbers:
        run, rounds = trial / f"run-{rounds}", rounds + 1
        while True:
            begun = step_of(run) > 0
            if not begun and run.exists():
                run = trial / f"{run.name}-anew"
            children = started("run", *(("--resume", run) if begun else (recipe, "--out", run)))
            number = numbers.pop() if numbers else None
            if number is not None:
                time.sleep(rng.random() * length)
                os.kill(children[rng.randrange(2)], number)
            found = codes(children)
            outcomes[f"{number and signal.Signals(number).name}: {found}"] += 1
            if found == [0, 0]:
                break
        assert farthest(run, whole) == 0.0
        assert (run / "report.json").read_bytes() == (whole / "report.json").read_bytes()
    print(f"40 kills over {rounds} runs of {length:.1f} s")
    print(*(f"{count:3d}  {outcome}" for outcome, count in sorted(outcomes.items())), sep="\n")
    run = trial / "mixed"
    for size, step in ((2, 2), (1, 4), (2, 0)):
        arguments = ("--resume", run) if run.exists() else (recipe, "--out", run)
        children = started("run", *arguments, size=size)
        if step:
            wait_for_step(run, step, children)
            os.kill(children[0], signal.SIGTERM)
        assert codes(children) == [143 if step else 0] * size
    error = farthest(run, whole)
    assert error <= 1e-6
    print(f"2, 1 and 2 processes: weights differ by {error:.0e}")
