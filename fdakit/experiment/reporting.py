"""What was scored, as the report: plain numbers, both directions, every rule named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.contracts import Direction
from fdakit.draws import keyed_seed
from fdakit.ranking.metrics import metrics
from fdakit.ranking.ranks import Ranking, rank_captions, rank_videos
from fdakit.ranking.significance import bootstrap_ci
from fdakit.recipe import Recipe
from fdakit.values import Scores, Split

from .evaluation import Evaluated
from .rescoring import rescored_rows

Report = dict[str, Any]
DIRECTIONS: tuple[Direction, ...] = ("t2v", "v2t")


def rankings(scores: Scores, recipe: Recipe) -> dict[Direction, Ranking]:
    """Text to video (`t2v`) and video to text (`v2t`)."""
    return {direction: _ranked(scores, direction, recipe) for direction in DIRECTIONS}


def _ranked(scores: Scores, direction: Direction, recipe: Recipe) -> Ranking:
    return rank_captions(scores) if direction == "t2v" else rank_videos(scores, mode=recipe.eval.video_to_text)


def both_metrics(scores: Scores, recipe: Recipe) -> dict[Direction, dict[str, float]]:
    """R@1, R@5, R@10 in percent, MdR and MnR as ranks, in both directions."""
    found = rankings(scores, recipe)
    return {direction: metrics(ranking, ties=recipe.eval.ties) for direction, ranking in found.items()}


def make_report(
    recipe: Recipe,
    split: Split,
    evaluated: Evaluated,
    *,
    selection: str,
    provenance: Mapping[str, Any],
    training_damage: Mapping[str, Mapping[str, str]] | None = None,
) -> Report:
    """The report of one evaluation; the same weights and recipe give it again to the last digit.

    `training_damage` is what `Trainer.damage` said when the weights were kept.
    """
    own, *others = evaluated.scores
    scores = evaluated.scores[own]
    found = rankings(scores, recipe)
    measured = {direction: metrics(ranking, ties=recipe.eval.ties) for direction, ranking in found.items()}
    return {
        "name": recipe.name,
        "protocol": _protocol(recipe, split, selection),
        "t2v": measured["t2v"],
        "v2t": measured["v2t"],
        "ci95": _intervals(recipe, scores, found),
        "ties": {direction: ranking.tied for direction, ranking in found.items()},
        "pool": {direction: ranking.pool for direction, ranking in found.items()},
        "controls": {control: both_metrics(evaluated.scores[control], recipe) for control in others},
        "rescored": rescored_rows(
            recipe.rescoring,
            scores,
            evaluated.bank,
            lambda changed, way: metrics(_ranked(changed, way, recipe), ties=recipe.eval.ties),
            seed=recipe.seed,
        ),
        "videos": _videos(split, evaluated, training_damage or {}),
        "captions": {
            "counted": len(split.captions),
            "distinct": evaluated.distinct_texts,
            "cut": evaluated.cut,
        },
        "masks": _masks(recipe, evaluated),
        "provenance": dict(provenance),
    }


def _protocol(recipe: Recipe, split: Split, selection: str) -> dict[str, Any]:
    sampler = recipe.parts["sampler"]
    draws = recipe.frame_store.draws if recipe.frame_store.enabled else 0
    return {
        "dataset": recipe.parts["dataset"].name,
        "split": split.name,
        "captions": split.protocol,
        "video_to_text": recipe.eval.video_to_text,
        "ties": recipe.eval.ties,
        "checkpoint_chosen_by": selection,
        "sampler": {"use": sampler.name, **sampler.options.model_dump(mode="json")},
        "mask": recipe.parts["mask"].name,
        "mask_control": recipe.control,
        **({"frame_store_draws": draws} if draws else {}),
    }


def _intervals(recipe: Recipe, scores: Scores, found: Mapping[Direction, Ranking]) -> dict[str, Any]:
    """95% bootstrap intervals over queries; captions of one video are drawn together."""
    if recipe.eval.bootstrap == 0:
        return {}
    clusters: dict[Direction, NDArray[np.int64]] = {"t2v": scores.owners, "v2t": np.arange(len(found["v2t"].better))}
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


def _videos(split: Split, evaluated: Evaluated, training_damage: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    skipped, repaired = (training_damage.get(kind, {}) for kind in ("skipped", "repaired"))
    return {
        "counted": len(split.videos),
        "missing": len(split.left_out),
        "missing_ids": list(split.left_out),
        "damaged": len(evaluated.lost),
        "damaged_reasons": {video.id: video.reason for video in evaluated.lost},
        "repaired": len(evaluated.repaired),
        "repaired_reasons": dict(evaluated.repaired),
        "training": {
            "skipped": len(skipped),
            "skipped_reasons": dict(skipped),
            "repaired": len(repaired),
            "repaired_reasons": dict(repaired),
        },
    }


def _masks(recipe: Recipe, evaluated: Evaluated) -> dict[str, Any]:
    coverage = evaluated.coverage
    return {
        "mean_coverage": float(coverage.mean()),
        "empty_share": float((coverage == 0).mean()),
        "full_share": float((coverage == 1).mean()),
    }
