"""Measures and tests of significance beside those of others: pytrec_eval, scipy's bootstrap and its permutations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fdakit.query_ranks import Ranking
from fdakit.ranking.paired import paired_tests
from fdakit.ranking.significance import bootstrap_ci
from fdakit.ranking.trec_measures import trec_measures_of_queries

QUERIES, DOCUMENTS = 30, 120


def judged_run(seed):
    """A run with many tied scores, and judgements of -1 to 3 for half of the documents, one of them right."""
    rng = np.random.default_rng(seed)
    names = [f"d{number}" for number in range(DOCUMENTS)]
    run, qrels = {}, {}
    for query in range(QUERIES):
        found = rng.permutation(DOCUMENTS)[: rng.integers(1, DOCUMENTS)]
        run[f"q{query}"] = {names[place]: float(rng.integers(0, 12)) / 4 for place in found}
        judged = {names[place]: int(rng.integers(-1, 4)) for place in rng.permutation(DOCUMENTS)[: DOCUMENTS // 2]}
        qrels[f"q{query}"] = {**judged, names[int(rng.integers(DOCUMENTS))]: 1}
    return run, qrels


@pytest.mark.parametrize("seed", range(3))
def test_measures_equal_pytrec_evals_query_by_query(seed):
    pytrec_eval = pytest.importorskip("pytrec_eval", reason="pytrec_eval-terrier has no wheel for this machine")
    run, qrels = judged_run(seed)
    measures = {"map", "Rprec", "bpref", "recip_rank", "P", "recall", "ndcg", "ndcg_cut", "success"}
    counts = {"num_ret", "num_rel", "num_rel_ret"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, measures | counts).evaluate(run)
    found = trec_measures_of_queries(run, qrels)
    assert set(found) == set(theirs)
    for query, wanted in theirs.items():
        ours = {name: value for name, value in found[query].items() if not name.startswith("iprec")}
        assert set(ours) == set(wanted)  # iprec_at_recall rounds otherwise since release 9, as the module tells
        assert ours == pytest.approx(wanted, abs=1e-12), query


def clustered(seed, queries=300, clusters=80):
    rng = np.random.default_rng(seed)
    better = np.minimum(rng.geometric(0.15, queries) - 1, 50).astype(np.int64)
    return Ranking(better, np.zeros_like(better), 60), rng.integers(0, clusters, queries)


@pytest.mark.parametrize("seed", range(2))
def test_intervals_equal_scipys_bootstrap_over_clusters(seed):
    ranking, clusters = clustered(seed)
    _, member = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(member)
    values = {"R@1": 100.0 * (ranking.better == 0), "MnR": ranking.better + 1.0, "MRR": 1 / (ranking.better + 1.0)}
    found = bootstrap_ci(ranking, clusters=clusters, draws=4000, seed=seed)
    for name, value in values.items():
        sums = np.bincount(member, weights=value)
        theirs = stats.bootstrap(
            (np.arange(sizes.size),),
            lambda places, axis, sums=sums: sums[places].sum(axis) / sizes[places].sum(axis),
            n_resamples=4000,
            method="percentile",
            random_state=seed,
            vectorized=True,
        ).confidence_interval
        assert found[name] == pytest.approx(tuple(theirs), abs=0.08 * (theirs.high - theirs.low)), name


@pytest.mark.parametrize("seed", range(4))
def test_p_is_that_of_scipys_exact_permutations(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(1, 30, (2, 12)).astype(float)
    second = second + 4 * seed
    exact = stats.permutation_test(
        (second, first),
        lambda one, other, axis: (one - other).mean(axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    ).pvalue
    draws = 20_000
    found = paired_tests({"MnR": first}, {"MnR": second}, clusters=np.arange(12), draws=draws, seed=seed)["MnR"].p
    assert found == pytest.approx(min(1.0, exact), abs=4 * np.sqrt(0.25 / draws))
