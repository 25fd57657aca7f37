"""The report of an evaluation: plain numbers, both directions, every rule named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.plugin.contracts import Direction
from fdakit.random_keys import keyed_seed
from fdakit.ranking.metrics import metrics
from fdakit.ranking.significance import bootstrap_ci
from fdakit.recipe.recipe import Recipe
from fdakit.values import Scores, Split

from .evaluator import EvaluationResult
from .protocol import counted_captions, counted_videos, protocol
from .rescoring import rescored_rows
from .scoring import Rankings, rank

Report = dict[str, Any]


def both_metrics(rankings: Rankings, recipe: Recipe) -> dict[Direction, dict[str, float]]:
    """Return `metrics()` of each direction, by the recipe's tie rule."""
    return {direction: metrics(ranking, ties=recipe.eval.ties) for direction, ranking in rankings.items()}


def make_report(
    recipe: Recipe,
    split: Split,
    evaluated: EvaluationResult,
    *,
    selection: str,
    chosen_on: str | None = None,
    provenance: Mapping[str, Any],
    training_damage: Mapping[str, Mapping[str, str]] | None = None,
    training: Mapping[str, Any] | None = None,
    finding: str = "",
    random_weights: bool = False,
) -> Report:
    """Return the report of one evaluation; the same weights and recipe reproduce it to the last digit.

    `selection` is how the weights were chosen, `chosen_on` the split that was used for that, if any;
    `training_damage` is `Trainer.damage` when the weights were saved, `training` the result of `trained_on`, and
    `finding` that of `collapse_warning`. `random_weights`: the encoder's weights are random and nothing was trained.
    """
    own, *others = evaluated.scores
    found = evaluated.rankings[own]
    measured = both_metrics(found, recipe)
    return {
        "name": recipe.name,
        "protocol": protocol(recipe, split, selection, chosen_on),
        "t2v": measured["t2v"],
        "v2t": measured["v2t"],
        "ci95": _intervals(recipe, evaluated.scores[own].owners, found),
        "ties": {direction: ranking.tied for direction, ranking in found.items()},
        "pool": {direction: ranking.pool for direction, ranking in found.items()},
        "controls": {control: both_metrics(evaluated.rankings[control], recipe) for control in others},
        "rescored": _rescored(recipe, evaluated),
        "videos": counted_videos(split, evaluated, training_damage or {}, training),
        "captions": counted_captions(split, evaluated),
        "masks": _masks(evaluated),
        "finding": finding,
        "random_weights": random_weights,
        "provenance": dict(provenance),
    }


def _intervals(recipe: Recipe, owners: NDArray[np.int64], found: Rankings) -> dict[str, Any]:
    """Return 95% bootstrap intervals over queries; captions of one video are resampled together."""
    if recipe.eval.bootstrap == 0:
        return {}
    clusters: dict[Direction, NDArray[np.int64]] = {"t2v": owners, "v2t": np.arange(len(found["v2t"].better))}
    return {
        direction: {
            name: list(interval)
            for name, interval in bootstrap_ci(
                ranking,
                clusters=clusters[direction],
                ties=recipe.eval.ties,
                draws=recipe.eval.bootstrap,
                seed=keyed_seed("bootstrap", direction),
            ).items()
        }
        for direction, ranking in found.items()
    }


def _rescored(recipe: Recipe, evaluated: EvaluationResult) -> dict[str, Any]:
    scores = evaluated.scores[recipe.control]
    if not recipe.rescoring or not isinstance(scores, Scores):
        return {}

    def measured(changed: Scores, direction: Direction) -> dict[str, float]:
        return metrics(rank(changed, direction, mode=recipe.eval.video_to_text), ties=recipe.eval.ties)

    return rescored_rows(recipe.rescoring, scores, evaluated.bank, measured, seed=recipe.seed)


def _masks(evaluated: EvaluationResult) -> dict[str, Any]:
    coverage = evaluated.coverage
    return {
        "mean_coverage": float(coverage.mean()),
        "empty_share": float((coverage == 0).mean()),
        "full_share": float((coverage == 1).mean()),
    }
