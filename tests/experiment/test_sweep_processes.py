"""Runs of a sweep side by side: the same results, failures beside successes, and a stop that saves."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fdakit.experiment.sweep import sweep
from fdakit.experiment.sweep_members import Member
from fdakit.experiment.sweep_processes import run_side_by_side
from fdakit.recipe.recipe import Recipe
from fdakit.report.sweep_tables import sweep_rows

pytestmark = pytest.mark.integration

MakeRecipe = Callable[..., Recipe]
TRAIN: dict[str, Any] = {"epochs": 1}


def silent(text: str) -> None: ...


def of(path: Path) -> Any:
    return json.loads(path.read_text())


def test_a_failed_run_and_a_killed_one_stop_no_other_and_are_listed(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipes = [
        make_recipe(name="losing", train=TRAIN, objective=[{"use": "losing", "step": 2}]),
        make_recipe(name="dying", train=TRAIN, observer=[{"use": "dying", "step": 2}]),
        make_recipe(name="fine", train=TRAIN),
    ]
    told: list[str] = []
    summary = sweep(recipes, [3], out=tmp_path / "beside", tell=told.append, jobs=2)
    losing, dying = sorted(summary.failed, key=lambda one: one.recipe, reverse=True)
    assert (losing.recipe, losing.seed, losing.fault) == ("losing", 3, False)
    assert losing.reason.startswith("train: the loss became nan at step 2")
    assert (dying.recipe, dying.fault) == ("dying", True)
    assert dying.reason.startswith("its process was killed (SIGKILL); see ")
    assert [row.recipe for row in summary.rows] == ["fine"]
    assert any(line.startswith("losing, seed 3: failed: train: the loss became nan") for line in told)
    assert "the loss became nan" in (tmp_path / "beside" / "losing" / "seed-3.log").read_text()
    assert "| losing | 3 | train: the loss became nan" in (tmp_path / "beside" / "sweep.md").read_text()
    assert of(tmp_path / "beside" / "sweep.json") == summary.to_json()
    alone = sweep([recipes[0], recipes[2]], [3], out=tmp_path / "turn", tell=silent)
    assert [one.to_json() for one in alone.failed] == [losing.to_json()]
    assert [row.t2v for row in alone.rows] == [row.t2v for row in summary.rows]


def test_a_row_says_of_how_many_runs_it_is(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(name="fine", train=TRAIN, eval={"controls": ["zero"]})
    (tmp_path / "fine").mkdir()
    (tmp_path / "fine" / "seed-2").write_text("a file where the run's folder should be")
    summary = sweep([recipe], [1, 2], out=tmp_path, tell=silent)
    assert [row[0] for row in sweep_rows(summary, "t2v")] == [
        "fine (1 of 2 seeds)",
        "fine, same weights, zero mask (1 of 2 seeds)",
    ]
    assert [(one.recipe, one.seed) for one in summary.failed] == [("fine", 2)]


def test_an_error_that_nobody_worded_leaves_its_traceback(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fdakit.experiment import sweep_members

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(sweep_members, "run_recipe", fail)
    summary = sweep([make_recipe(name="fine")], [1], out=tmp_path, tell=silent)
    log = tmp_path / "fine" / "seed-1.log"
    assert summary.failed[0].reason == f"ZeroDivisionError: by nothing (traceback in {log})"
    assert summary.failed[0].fault
    assert 'raise ZeroDivisionError("by nothing")' in log.read_text()


def test_a_stop_saves_every_run(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    train = {"epochs": 500, "max_steps": 1500}
    recipes = [make_recipe(name=name, train=train, observer=[{"use": "jsonl"}]) for name in ("one", "two")]
    members = [Member(recipe, tmp_path / recipe.name / "seed-3") for recipe in recipes]
    logs = [member.folder / "metrics.jsonl" for member in members]

    def all_trained() -> bool:
        return all(log.is_file() and "epoch_finished" in log.read_text() for log in logs)

    told: list[str] = []
    with ctrl_c_once(all_trained), pytest.raises(KeyboardInterrupt):
        list(run_side_by_side(members, jobs=2, tell=told.append))
    assert told[-1].startswith("stopping 2 runs after their steps")
    for member in members:
        saved = of(member.folder / "checkpoints" / "last" / "checkpoint.json")
        assert saved["chosen_by"] == "interrupted"
        assert 0 < saved["step"] < 1500
        assert not member.finished


@contextmanager
def ctrl_c_once(ready: Callable[[], bool]) -> Iterator[None]:
    """Press Ctrl-C as soon as something is so."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            if ready():
                os.kill(os.getpid(), signal.SIGINT)
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
