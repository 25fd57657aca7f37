"""The report of an evaluation: plain numbers, both directions, every rule named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.catalog import Part
from fdakit.choices import TieRule
from fdakit.inference.checkpoint_info import CheckpointInfo
from fdakit.plugin.contracts import Direction, Metric, Rescorer
from fdakit.query_ranks import Ranking
from fdakit.random_keys import keyed_seed
from fdakit.ranking.metrics import metrics
from fdakit.ranking.significance import bootstrap_ci
from fdakit.report.evaluation_report import (
    BothCounts,
    BothIntervals,
    BothMetrics,
    EvaluationProtocol,
    MaskCoverage,
    Metrics,
    Provenance,
    Report,
    RescoredMetrics,
)
from fdakit.settings import EvalSettings
from fdakit.values import Scores, Split

from .evaluator import EvaluationResult
from .plugin_metrics import plugin_metrics
from .protocol import counted_captions, counted_videos
from .rescoring import rescored_rows
from .scoring import Rankings, rank


def both_metrics(rankings: Rankings, ties: TieRule) -> BothMetrics:
    """Return `metrics()` of both directions."""
    return BothMetrics(**{direction: metrics(ranking, ties=ties) for direction, ranking in rankings.items()})


def make_report(
    evaluated: EvaluationResult,
    split: Split,
    *,
    name: str,
    protocol: EvaluationProtocol,
    rules: EvalSettings,
    info: CheckpointInfo,
    provenance: Provenance,
    rescoring: Sequence[Part[Rescorer]] = (),
    metric_parts: Sequence[Part[Metric]] = (),
) -> Report:
    """Return the report of one evaluation; the same weights and recipe reproduce it to the last digit.

    `rules` are those that `evaluated` was made by, `info` says how the weights were chosen and what is known of their
    training, `rescoring` are the recipe's rescorers, `metric_parts` its further metrics.
    """
    own, *others = evaluated.scores
    found = evaluated.rankings[own]
    measured = both_metrics(found, rules.ties)
    seed = provenance.seed or 0
    further = plugin_metrics(metric_parts, found, rules.ties, seed=seed)
    seldom: dict[str, Any] = {"metrics": further, "stopped_early": info.stopped_early}
    return Report(
        name=name,
        protocol=protocol,
        t2v=measured.t2v,
        v2t=measured.v2t,
        ci95=_intervals(found, evaluated.scores[own].owners, rules),
        ties=BothCounts(t2v=found["t2v"].tied, v2t=found["v2t"].tied),
        pool=BothCounts(t2v=found["t2v"].pool, v2t=found["v2t"].pool),
        controls={control: both_metrics(evaluated.rankings[control], rules.ties) for control in others},
        rescored=_rescored(evaluated, rescoring, rules, seed=seed),
        videos=counted_videos(split, evaluated, info),
        captions=counted_captions(split, evaluated),
        masks=_masks(evaluated.coverage),
        finding=info.finding,
        **{name: told for name, told in seldom.items() if told},
        random_weights=info.random_weights,
        provenance=provenance,
    )


def _intervals(found: Rankings, owners: NDArray[np.int64], rules: EvalSettings) -> BothIntervals:
    """Return 95% bootstrap intervals over queries; captions of one video are resampled together."""
    if rules.bootstrap == 0:
        return BothIntervals()

    def intervals(direction: Direction, clusters: NDArray[np.int64]) -> dict[str, tuple[float, float]]:
        ranking: Ranking = found[direction]
        seed = keyed_seed("bootstrap", direction)
        return bootstrap_ci(ranking, clusters=clusters, ties=rules.ties, draws=rules.bootstrap, seed=seed)

    return BothIntervals(t2v=intervals("t2v", owners), v2t=intervals("v2t", np.arange(len(found["v2t"].better))))


def _rescored(
    evaluated: EvaluationResult, rescoring: Sequence[Part[Rescorer]], rules: EvalSettings, *, seed: int
) -> dict[str, RescoredMetrics]:
    scores = next(iter(evaluated.scores.values()))
    documents = next(iter(evaluated.document_scores.values()), scores)
    if not rescoring or not isinstance(scores, Scores) or not isinstance(documents, Scores):
        return {}
    both: dict[Direction, Scores] = {"t2v": scores, "v2t": documents}

    def measured(changed: Scores, direction: Direction) -> Metrics:
        return metrics(rank(changed, direction, mode=rules.video_to_text), ties=rules.ties)

    return rescored_rows(rescoring, both, evaluated.bank, measured, seed=seed)


def _masks(coverage: NDArray[np.float64]) -> MaskCoverage:
    return MaskCoverage(
        mean_coverage=float(coverage.mean()),
        empty_share=float((coverage == 0).mean()),
        full_share=float((coverage == 1).mean()),
    )
