"""`fdakit metrics`: external similarities ranked, measured and rescored like those of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdakit.catalog import Part
from fdakit.choices import TieRule, VideoToTextRule
from fdakit.errors import ScoreError
from fdakit.evaluation.rescoring import rescored_rows
from fdakit.evaluation.scoring import rank, rank_both_directions
from fdakit.plugin.abilities import RemarksOnScores
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Direction, Progress, Rescorer
from fdakit.query_ranks import Ranking
from fdakit.random_keys import keyed_seed
from fdakit.ranking.compat import clip4clip_metrics
from fdakit.ranking.metrics import metrics
from fdakit.ranking.relevance import ndcg, rank_relevant
from fdakit.ranking.significance import bootstrap_ci
from fdakit.ranking.streamed import Vectors
from fdakit.ranking.trec import rank_run
from fdakit.ranking.trec_measures import trec_measures
from fdakit.values import Scores

from .external_scores import ExternalScores, GradedScores, TrecRun

Rankings = dict[Direction, Ranking]


def measure(
    given: ExternalScores,
    *,
    ties: TieRule = "expected",
    mode: VideoToTextRule = "grouped",
    rescoring: Sequence[Part[Rescorer]] = (),
    bank: NDArray[np.float32] | None = None,
    draws: int = 1000,
    compat: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[dict[str, Any], Rankings]:
    """Return the numbers in the form of report.json, and the rankings behind them.

    `t2v` and, except for a TREC run, `v2t` as in a report, `ci95` by `draws` bootstrap resamples, `ties` and `pool`
    of each direction, `rescored` separately, `compat` as CLIP4Clip counts, `trec` by trec_eval's names for a run, and
    remarks as text. Raises `ScoreError`.
    """
    found, clusters = _rankings(given, mode=mode, device=device, progress=progress)
    measured: dict[str, Any] = {
        "protocol": {"ties": ties, "video_to_text": mode},
        **{way: metrics(ranking, ties=ties) for way, ranking in found.items()},
        "ci95": {way: _interval(ranking, clusters[way], ties, draws, way) for way, ranking in found.items() if draws},
        "ties": {way: ranking.tied for way, ranking in found.items()},
        "pool": {way: ranking.pool for way, ranking in found.items()},
        "queries": {way: len(ranking.better) for way, ranking in found.items()},
        "rescored": _rescored(given, rescoring, bank, ties=ties, mode=mode),
        "remarks": _remarks(given, rescoring),
    }
    if compat:
        measured["compat"] = {"clip4clip": {way: clip4clip_metrics(ranking) for way, ranking in found.items()}}
    if isinstance(given, GradedScores):
        gains = {"t2v": (given.scores.matrix, given.gains), "v2t": _of_videos(given)}
        for way, (matrix, worth) in gains.items():
            measured[way]["nDCG"] = float(ndcg(matrix, worth, ties=ties).mean())
    if isinstance(given, TrecRun):
        measured["trec"] = trec_measures(given.run, given.qrels)
        measured["t2v"]["nDCG"] = measured["trec"]["ndcg"]
    return measured, found


def _rankings(
    given: ExternalScores, *, mode: VideoToTextRule, device: str, progress: Progress | None
) -> tuple[Rankings, Mapping[Direction, NDArray[np.int64]]]:
    """Return both rankings, and the bootstrap cluster of each query."""
    if isinstance(given, TrecRun):
        ranking = rank_run(given.run, given.qrels)
        return {"t2v": ranking}, {"t2v": np.arange(len(ranking.better))}
    if isinstance(given, GradedScores):
        found: Rankings = {
            "t2v": rank_relevant(given.scores.matrix, given.gains),
            "v2t": rank_relevant(*_of_videos(given)),
        }
        return found, {way: np.arange(len(ranking.better)) for way, ranking in found.items()}
    both = rank_both_directions(given, mode=mode, device=device, progress=progress)
    return both, {"t2v": given.owners, "v2t": np.arange(len(both["v2t"].better))}


def _of_videos(given: GradedScores) -> tuple[NDArray[np.floating[Any]], NDArray[np.float64]]:
    """Return scores and gains with videos as rows; a video that answers no caption is not a query."""
    described = (given.gains > 0).any(axis=0)
    return given.scores.matrix.T[described], given.gains.T[described]


def _interval(
    ranking: Ranking, clusters: NDArray[np.int64], ties: TieRule, draws: int, way: Direction
) -> dict[str, list[float]]:
    seed = keyed_seed("bootstrap", way)
    found = bootstrap_ci(ranking, clusters=clusters, ties=ties, draws=draws, seed=seed)
    return {name: list(interval) for name, interval in found.items()}


def _rescored(
    given: ExternalScores,
    rescoring: Sequence[Part[Rescorer]],
    bank: NDArray[np.float32] | None,
    *,
    ties: TieRule,
    mode: VideoToTextRule,
) -> dict[str, Any]:
    if not rescoring:
        return {}
    if isinstance(given, TrecRun | Vectors):
        raise ScoreError("--rescore: needs the whole matrix of similarities; save it as .npy, captions x videos")
    scores = given.scores if isinstance(given, GradedScores) else given

    def ranked(changed: Scores, way: Direction) -> Ranking:
        if isinstance(given, GradedScores):
            return _rankings(GradedScores(changed, given.gains), mode=mode, device="cpu", progress=None)[0][way]
        return rank(changed, way, mode=mode)

    both: dict[Direction, Scores] = {"t2v": scores, "v2t": scores}
    rows = rescored_rows(rescoring, both, bank, lambda changed, way: metrics(ranked(changed, way), ties=ties))
    return {name: row.to_json() for name, row in rows.items()}


def _remarks_of(part: Part[Rescorer], scores: Scores) -> Iterable[str]:
    rescorer = part.build(BuildContext())
    return rescorer.remarks(scores) if isinstance(rescorer, RemarksOnScores) else ()


def _unit(vectors: Vectors) -> bool:
    """Return whether every counted vector has unit length, approximately."""
    kept = vectors.texts, vectors.videos[~vectors.lost]
    return all(bool((np.abs(np.linalg.norm(rows, axis=1) - 1) < 1e-2).all()) for rows in kept)


def _remarks(given: ExternalScores, rescoring: Sequence[Part[Rescorer]]) -> list[str]:
    """Return the remarks to be read with the numbers."""
    found = []
    if isinstance(given, TrecRun):
        missed = sum(query not in given.run for query in given.qrels)
        if missed:
            found.append(f"{missed} of {len(given.qrels)} judged queries are not in the run and count as misses")
        return found
    scores = given.scores if isinstance(given, GradedScores) else given
    if isinstance(scores, Vectors) and not _unit(scores):
        found.append("the vectors are not of length one, so scores are their products and no cosines")
    if isinstance(scores, Scores):
        found += [remark for part in rescoring for remark in _remarks_of(part, scores)]
    if rescoring and isinstance(scores, Scores) and np.abs(scores.matrix[:, ~scores.lost]).max(initial=0.0) > 1.001:
        found.append("scores go beyond -1 to 1; rescoring is meant for cosines")
    return found
