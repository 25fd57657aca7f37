"""A run tried before it is made: what it tells, and that it leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fdakit import FdakitError
from fdakit.cli.dry_run_lines import dry_run_lines
from fdakit.experiment.dry_run import DryRun, Evaluation, Training, dry_run, expected_training
from fdakit.experiment.reading_pace import ReadingPace
from fdakit.plugin import StepInfo
from fdakit.recipe.recipe import Recipe

MakeRecipe = Callable[..., Recipe]
READING = ReadingPace(first=0.1, again=0.01)


def step(number: int, *, seconds: float, waited: float) -> StepInfo:
    return StepInfo(number, 40, 1, 2.5, {}, 1e-3, 10, seconds=seconds, waited=waited)


TOLD = [step(1, seconds=5.0, waited=2.0), step(2, seconds=6.5, waited=3.0)]  # computing: 3 s, then 0.5 s


def test_without_workers_a_step_waits_for_its_clips() -> None:
    found = expected_training(TOLD, [4, 4, 4], 9, READING, workers=0)
    assert (found.epochs, found.steps, found.pairs) == (3, 9, 10)
    assert (found.first, found.step) == (3.0, 0.5)
    assert found.seconds == pytest.approx(3.0 + 8 * 0.5 + 4 * 1.0 + 5 * 0.1)
    assert found.waiting == pytest.approx(4.5 / found.seconds)


def test_workers_read_while_a_step_computes_and_are_waited_for_where_they_are_slower() -> None:
    found = expected_training(TOLD, [4, 4], 8, READING, workers=1)
    assert found.seconds == pytest.approx(2.5 + 4 * 1.0 + 4 * 0.5)
    more = expected_training(TOLD, [4, 4], 8, READING, workers=2)
    assert more.seconds == pytest.approx(2.5 + 8 * 0.5)
    assert more.waiting == 0


def test_a_training_of_one_step_is_its_first() -> None:
    found = expected_training(TOLD[:1], [1], 1, READING, workers=2)
    assert (found.first, found.step, found.seconds) == (3.0, 3.0, 3.0)


def test_it_is_told_in_lines() -> None:
    training = Training(22, 396, 64, 1.25, 0.45, READING, 8, 3700.0, 0.031)
    evaluations = Evaluation("val", 96, 0, 6, 3.0, 1.0), Evaluation("test", 96, 2, 1, 9.0, 5.0)
    assert list(dry_run_lines(DryRun("trial", "cuda:0: H200", training, evaluations, 7_340_000_000))) == [
        "trial on cuda:0: H200: 1:01:57 to expect, after a dry run",
        "  training, 22 epochs of 396 steps in all: 1:01:40, of it 3.1% waiting for data",
        "    a step of 64 pairs: 450 ms, the first 1.25 s, without reading",
        "    reading a clip: 100 ms the first time, 10 ms later, by 8 workers",
        "  evaluating 96 val videos, 6 times: 0:08",
        "  evaluating 96 test videos under its own mask and 2 others, once: 0:09",
        "peak memory of the device: 7.34 GB",
        "no run folder was written; loading and saving weights are not in the time",
    ]


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore")
def test_everything_is_built_nothing_is_written_and_nobody_is_told(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    note = tmp_path / "note"
    recipe = make_recipe(
        train={"epochs": 5, "validate_every": 2},
        eval={"controls": ["zero"]},
        observer=[{"use": "watching", "file": str(note)}, {"use": "jsonl"}],
    )
    found = dry_run(recipe)
    assert list(tmp_path.iterdir()) == []
    assert found.training is not None
    assert (found.training.epochs, found.training.steps, found.training.pairs) == (5, 15, 4)
    assert [(one.split, one.videos, one.controls, one.times) for one in found.evaluations] == [
        ("val", 3, 0, 3),
        ("test", 6, 1, 1),
    ]
    assert found.seconds > found.training.seconds > 15 * found.training.step
    assert found.peak_memory > 50e6
    assert json.loads(json.dumps(found.to_json()))["training"]["reading"]["first"] > 0


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore")
def test_without_training_the_report_alone_is_timed(make_recipe: MakeRecipe) -> None:
    found = dry_run(make_recipe(train={"epochs": 0}))
    assert (found.training, [one.split for one in found.evaluations]) == (None, ["test"])


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"objective": [{"use": "losing", "step": 1}]}, "the loss became nan at step 1"),
        ({"fusion": {"use": "unbuildable"}}, "fusion 'unbuildable'"),
        ({"eval": {"split": "tset"}}, "split 'tset': the data set has none"),
    ],
)
def test_what_would_end_the_run_is_told_now(make_recipe: MakeRecipe, tables: dict[str, Any], words: str) -> None:
    with pytest.raises(FdakitError, match=words):
        dry_run(make_recipe(**tables))
