"""A run that breaks off while it validates has saved the steps before, and goes on with the validation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from fdakit.experiment.model_selection import ModelSelection
from fdakit.experiment.run import run_recipe
from fdakit.experiment.run_checkpoints import RunCheckpoints
from fdakit.inference.checkpoint import Checkpoint
from fdakit.recipe.recipe import Recipe

pytestmark = pytest.mark.integration
MakeRecipe = Callable[..., Recipe]


class Killed(BaseException):
    """As a kill: nobody handles it."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The shares of the time between two checkpoints that a run asks about; before a validation one is due."""
    shares: list[float] = []

    def due(self: RunCheckpoints, *, share: float = 1.0) -> bool:
        shares.append(share)
        return share < 1

    monkeypatch.setattr(RunCheckpoints, "due", due)
    return shares


@pytest.fixture
def recipe(make_recipe: MakeRecipe) -> Recipe:
    """Four epochs of three steps, of which the second and the fourth are validated."""
    return make_recipe(train={"epochs": 4, "max_steps": 12, "validate_every": 2}, observer=[{"use": "jsonl"}])


def weights(run: Path, name: str) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(run / "checkpoints" / name / "model.safetensors")
    return found


def epochs(run: Path) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [event for event in events if event["event"] == "epoch_finished"]


@pytest.mark.parametrize(("validation", "step"), [(1, 6), (2, 12)])
def test_it_goes_on_with_the_validation_to_the_same_bits(
    recipe: Recipe, asked: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, validation: int, step: int
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    report = run_recipe(recipe, out=whole).report.to_json()
    assert asked == [1, 1, 1, 1, 1, 0.1] * 2

    real, times = ModelSelection.measure, []

    def measure(self: ModelSelection, retriever: Any) -> Any:
        times.append(len(asked))
        if len(times) == validation:
            raise Killed
        return real(self, retriever)

    monkeypatch.setattr(ModelSelection, "measure", measure)
    with pytest.raises(Killed):
        run_recipe(recipe, out=run)
    saved = Checkpoint.of_run(run / "checkpoints" / "last")
    state = saved.state()
    assert (saved.info.step, state.position) == (step, [step // 3 - 1, 3, step])
    assert len(epochs(run)) == step // 3 - 1
    asked.clear()
    times.clear()
    times.extend([0] * 2)  # so that none is killed any more
    assert run_recipe(recipe, resume=run).report.to_json() == report
    assert times[2] == 0, "validated before another step is taken"
    for name in ("best", "last"):
        one, other = weights(whole, name), weights(run, name)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert [{**epoch, "seconds": 0} for epoch in epochs(run)] == [{**epoch, "seconds": 0} for epoch in epochs(whole)]
    before = state.for_trainer()["seconds"]
    assert 0 < before < epochs(run)[step // 3 - 1]["seconds"]


def test_without_a_validation_split_there_is_nothing_to_save_before(
    make_recipe: MakeRecipe, asked: list[float], manifest: Path, tmp_path: Path
) -> None:
    path = manifest.with_name("unvalidated.csv")
    path.write_text("".join(line for line in manifest.open() if not line.endswith(",val\n")))
    run_recipe(make_recipe(dataset={"path": str(path)}), out=tmp_path / "run")
    assert set(asked) == {1}
