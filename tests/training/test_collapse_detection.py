"""A training that learns nothing is told of, once and in the report; one that learns slowly is not."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from fdakit import PluginError
from fdakit.experiment.checkpoint_evaluation import evaluate_checkpoint
from fdakit.experiment.run import run_recipe
from fdakit.inference.factory import WeightedObjective
from fdakit.plugin import VideoFeatures
from fdakit.recipe.recipe import Recipe
from fdakit.settings import TrainSettings
from fdakit.training.collapse_detection import CollapseSigns, chance_loss, collapse_warning, mean_cosine

MakeRecipe = Callable[..., Recipe]
LN = math.log(64)
# Loss and mean cosine of different videos after each epoch of 18 steps, as measured on the quickstart's clips.
LEARNING = {
    "quickstart": [(4.1844, 0.9946), (4.0964, 0.9520), (3.5573, 0.7570), (2.8988, 0.4976)],
    "no mask": [(4.1797, 0.9934), (4.1517, 0.9810), (4.1232, 0.9603), (4.0980, 0.9509)],
    "whole frame, slow": [
        *[(4.1848, 0.9949), (4.1700, 0.9859), (4.1586, 0.9991), (4.1583, 0.9988), (4.1556, 0.9889)],
        *[(4.1539, 0.9778), (4.1419, 0.9837), (4.1200, 0.98)],
    ],
}
DARK = [(4.1807, 0.99999), (4.1590, 0.99999), (4.1589, 0.99999), (4.1589, 0.99999)]


def told(
    epochs: Sequence[tuple[float, float]],
    *,
    chance: float | None = LN,
    whole: int = 22,
    ended: bool = False,
    **train: Any,
) -> str:
    found = [
        {"epoch": e, "step": 18 * e, "loss": loss, "video_cosine": cosine, **({"chance": chance} if chance else {})}
        for e, (loss, cosine) in enumerate(epochs, 1)
    ]
    return collapse_warning(found, TrainSettings(**train), steps=18 * whole, ended=ended)


@pytest.mark.parametrize("name", LEARNING)
def test_trainings_that_learn_are_never_told_of(name: str) -> None:
    epochs = LEARNING[name]
    assert not any(told(epochs[:count]) for count in range(1, len(epochs) + 1))


def test_a_collapse_is_told_of_in_the_first_epochs_after_the_warm_up() -> None:
    assert [bool(told(DARK[:count])) for count in (1, 2, 3, 4)] == [False, False, False, True]
    assert [bool(told(DARK[:count], warmup=0.0)) for count in (1, 2)] == [False, True]
    words = told(DARK)
    assert words.startswith(
        "after epoch 4 this training has learnt nothing, its loss of 4.159 is no better than chance (4.159)"
    )
    assert "nearly the same embedding (mean cosine 0.99999)" in words
    assert told([*DARK, (2.0, 0.1)]) == words  # it stays said


def test_where_nobody_knows_chance_embeddings_alone_tell() -> None:
    assert "chance" not in told(DARK, chance=None)
    assert told(DARK, chance=None)
    assert not told(LEARNING["whole frame, slow"], chance=None)
    assert not told([(4.2, 0.5)] * 22, chance=None)


def test_a_loss_that_stays_at_chance_is_told_of_whatever_the_embeddings() -> None:
    still = [(4.16, 0.3)] * 12
    assert [bool(told(still[:count])) for count in (11, 12)] == [False, True]
    assert "embedding (" not in told(still)
    assert told(still[:5], whole=5)  # at the end of a training
    assert not told([*still[:4], (4.1, 0.3)], whole=5)
    assert told(still[:3], ended=True).startswith("after epoch 3")  # at the end of one that was stopped early
    assert not told([*still[:2], (4.1, 0.3)], ended=True)
    assert not told([(3.0, 0.3), *still[:11]])


@given(st.integers(2, 6), st.integers(2, 5), st.integers(0, 99))
def test_the_mean_cosine_is_that_of_all_pairs(count: int, width: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(count, width))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = (unit @ unit.T)[~np.eye(count, dtype=bool)]
    assert mean_cosine(torch.tensor(vectors)).item() == pytest.approx(pairs.mean(), abs=1e-5)


def test_signs_are_means_over_the_steps_and_go_on_from_their_state() -> None:
    signs, again = CollapseSigns(), CollapseSigns()
    steps = [(torch.eye(3), torch.ones(3, 2), 1.0), (torch.ones(2, 3), torch.eye(2), 3.0)]
    for step in steps:
        signs.see(VideoFeatures.of_clips(step[0]), step[1], step[2])
    again.restore(signs.state())
    found = signs.close()
    assert found == again.close()
    assert found == pytest.approx({"video_cosine": 0.5, "text_cosine": 0.5, "chance": 2.0})
    assert signs.close() == {}
    several = torch.zeros(2, 2, 3)
    several[0, :, 0] = several[1, :, 1] = 1
    several[1, 1, 0] = 9  # not valid, so that it does not count
    signs.see(VideoFeatures(several, torch.tensor([[True, True], [True, False]])), torch.ones(2, 2), None)
    assert signs.close() == pytest.approx({"video_cosine": 0.0, "text_cosine": 1.0})


class Told:
    def __init__(self, chance: Callable[[int], float]) -> None:
        self.chance_loss = chance


def weighted(part: Any, weight: float) -> WeightedObjective:
    return WeightedObjective(part, weight, "objective 'some'", "some")


def test_chance_is_the_weighted_sum_where_every_objective_tells() -> None:
    one, two = weighted(Told(math.log), 2.0), weighted(Told(lambda size: 1.0), 0.5)
    assert chance_loss([one, two], 8) == pytest.approx(2 * math.log(8) + 0.5)
    assert chance_loss([one, weighted(object(), 1.0)], 8) is None
    with pytest.raises(PluginError, match="objective 'some' failed in chance_loss: ZeroDivisionError"):
        chance_loss([weighted(Told(lambda size: 1 / 0), 1.0)], 8)


def test_the_shipped_objective_tells_what_equal_vectors_give(make_recipe: MakeRecipe) -> None:
    from fdakit.plugin import BuildContext, PairFeatures, TextFeatures

    for smoothing in (0.0, 0.3):
        recipe = make_recipe(objective=[{"use": "symmetric-contrastive", "label_smoothing": smoothing}])
        ((chosen, _),) = recipe.objectives
        objective: Any = chosen.build(BuildContext(embedding=4))
        vectors: Any = torch.ones(5, 4)
        videos, batch = VideoFeatures.of_clips(vectors), cast(Any, None)
        matcher: Any = recipe.parts["matcher"].build(BuildContext(embedding=4))
        (loss,) = objective(PairFeatures(videos, videos, TextFeatures(vectors), batch, matcher.score)).values()
        assert float(loss.detach()) == pytest.approx(objective.chance_loss(5))


@pytest.mark.integration
def test_a_collapse_stands_in_the_report_and_is_warned_of_once(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    dark = {"mean": [40.0] * 3, "std": [20.0] * 3}  # as of clips a hundred times darker
    recipe = make_recipe(
        view=dark, mask={"use": "whole-frame"}, train={"epochs": 4, "learning_rate": 1e-4, "warmup": 0.0}
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = run_recipe(recipe, out=tmp_path / "run").report.to_json()
    said = [str(warning.message) for warning in caught if "learnt nothing" in str(warning.message)]
    assert said == [report["finding"]]
    assert f"training: {said[0]}" in (tmp_path / "run" / "report.md").read_text().replace("\\", "")
    assert evaluate_checkpoint(recipe, tmp_path / "run").report.to_json() == report
