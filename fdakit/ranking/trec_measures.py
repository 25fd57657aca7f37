"""The measures of trec_eval, by its names and definitions, for a run and its judgements.

Documents of a query are sorted by score, ties by document id, both descending; unjudged documents are not relevant.
Definitions: trec_eval (NIST), https://github.com/usnistgov/trec_eval after release 9; verified with its own test
files. Release 9 and tools built on it (pytrec_eval) take another document for `iprec_at_recall`: they add 0.9 to the
share of right documents and truncate it, where it is rounded now. All else is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .trec import Qrels, Run, check_run

CUTOFFS = (5, 10, 15, 20, 30, 100, 200, 500, 1000)
SUCCESS = (1, 5, 10)
LEVELS = tuple(place / 10 for place in range(11))
COUNTED = ("num_ret", "num_rel", "num_rel_ret")  # summed over queries, while others are averaged
_SMALLEST = 1e-5  # the value of gm_map for a query that finds nothing


def trec_measures(run: Run, qrels: Qrels) -> dict[str, float]:
    """Return every measure over all judged queries; one missing in the run counts as nothing found (`trec_eval -c`).

    Raises `ScoreError` if run and qrels do not fit.
    """
    found = list(trec_measures_of_queries(run, qrels).values())
    means = {
        name: float(
            np.sum([one[name] for one in found]) if name in COUNTED else np.mean([one[name] for one in found])
        )
        for name in found[0]
    }
    means["gm_map"] = float(np.exp(np.mean([np.log(max(one["map"], _SMALLEST)) for one in found])))
    return {"num_q": float(len(found)), **means}


def trec_measures_of_queries(run: Run, qrels: Qrels) -> Mapping[str, dict[str, float]]:
    """Return the measures of each judged query. Raises `ScoreError` if run and qrels do not fit."""
    check_run(run, qrels)
    return {query: _measures(_judged(run.get(query, {}), judged)) for query, judged in qrels.items()}


@dataclass(frozen=True)
class _Judged:
    """Relevance `(n,)` of retrieved documents, best first, -1 if not judged, and all judgements."""

    retrieved: NDArray[np.int64]
    judged: NDArray[np.int64]


def _judged(scores: Mapping[str, float], judged: Mapping[str, int]) -> _Judged:
    # trec_eval stores scores in single precision, which determines some of its ties
    with np.errstate(over="ignore"):
        ordered = sorted(scores, key=lambda name: (np.float32(scores[name]), name), reverse=True)
    retrieved = np.array([judged.get(name, -1) for name in ordered], np.int64)
    return _Judged(retrieved, np.array(list(judged.values()), np.int64))


def _measures(query: _Judged) -> dict[str, float]:
    right = query.retrieved > 0
    total, hits = int((query.judged > 0).sum()), np.cumsum(right, dtype=np.int64)
    precision = hits / np.arange(1, len(right) + 1)
    first = int(right.argmax()) + 1 if right.any() else 0

    def upto(k: int) -> int:
        return int(hits[min(k, len(hits)) - 1]) if len(hits) else 0

    return {
        "num_ret": float(len(right)),
        "num_rel": float(total),
        "num_rel_ret": float(right.sum()),
        "map": float(precision[right].sum()) / total,
        "Rprec": upto(total) / total,
        "bpref": _bpref(query, total),
        "recip_rank": 1 / first if first else 0.0,
        **{f"iprec_at_recall_{level:.2f}": _precision_at(level, hits, precision, total) for level in LEVELS},
        **{f"P_{k}": upto(k) / k for k in CUTOFFS},
        **{f"recall_{k}": upto(k) / total for k in CUTOFFS},
        "ndcg": _ndcg(query, None),
        **{f"ndcg_cut_{k}": _ndcg(query, k) for k in CUTOFFS},
        **{f"success_{k}": float(upto(k) > 0) for k in SUCCESS},
    }


def _bpref(query: _Judged, total: int) -> float:
    """Return how rarely documents judged wrong are ranked above right ones (Buckley and Voorhees, SIGIR 2004)."""
    wrong = int((query.judged == 0).sum())
    above = np.minimum(np.cumsum(query.retrieved == 0)[query.retrieved > 0], total)
    return float(np.where(above > 0, 1 - above / max(1, min(total, wrong)), 1.0).sum()) / total


def _precision_at(level: float, hits: NDArray[np.int64], precision: NDArray[np.float64], total: int) -> float:
    """Return the best precision at any rank with at least that share of the right documents, rounded."""
    reached = hits >= int(level * total + 0.5)
    return float(precision[reached].max()) if reached.any() else 0.0


def _ndcg(query: _Judged, cutoff: int | None) -> float:
    gains = np.maximum(query.retrieved, 0)[:cutoff]
    best = np.sort(np.maximum(query.judged, 0))[::-1][:cutoff]
    return _dcg(gains) / _dcg(best)


def _dcg(gains: NDArray[np.int64]) -> float:
    return float(gains @ (1.0 / np.log2(np.arange(2, len(gains) + 2))))
