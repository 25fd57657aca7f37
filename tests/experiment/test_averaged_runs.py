"""A run with averaged weights: what is saved, said and reported, and the same bits after a stop."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fdakit.experiment.checkpoint_evaluation import evaluate_checkpoint
from fdakit.experiment.run import run_recipe
from fdakit.experiment.training_run import Interrupted
from fdakit.recipe.recipe import Recipe

MakeRecipe = Callable[..., Recipe]


def weights(run: Path, name: str) -> dict[str, torch.Tensor]:
    return load_file(next((run / "checkpoints" / name).glob("*.safetensors")))


@pytest.mark.integration
def test_averaged_weights_are_saved_and_reported_and_the_same_after_a_stop(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    train = {"epochs": 3, "ema": 0.5, "schedule": "constant"}
    whole = run_recipe(make_recipe(train=train), out=tmp_path / "whole")
    plain = run_recipe(make_recipe(train={**train, "ema": 0.0}), out=tmp_path / "plain")
    assert whole.report.provenance.weights_sha256 != plain.report.provenance.weights_sha256
    said = "best R@1 text to video on the validation split, weights averaged by train.ema = 0.5"
    assert whole.report.protocol.checkpoint_chosen_by == said
    info = json.loads((tmp_path / "whole" / "checkpoints" / "best" / "checkpoint.json").read_text())
    assert info["chosen_by"] == said
    assert plain.report.protocol.checkpoint_chosen_by == said.partition(", weights")[0]

    stopping = make_recipe(train=train, observer=[{"use": "asking", "step": 5}])
    with pytest.raises(Interrupted):
        run_recipe(stopping, out=tmp_path / "stopped")
    resumed = run_recipe(stopping, resume=tmp_path / "stopped")
    assert resumed.report.provenance.weights_sha256 == whole.report.provenance.weights_sha256
    for name in ("best", "last"):
        found, wanted = weights(tmp_path / "stopped", name), weights(tmp_path / "whole", name)
        assert all(torch.equal(value, found[key]) for key, value in wanted.items())
    again = evaluate_checkpoint(make_recipe(train=train), tmp_path / "stopped" / "checkpoints" / "best")
    assert again.report.metrics == whole.report.metrics
