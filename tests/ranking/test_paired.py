"""Paired tests: alike is 1, the order of things decides nothing, and under the null they reject as often as told."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fdakit.errors import ScoreError
from fdakit.query_ranks import Ranking
from fdakit.random_keys import keyed_rng
from fdakit.ranking import paired as module
from fdakit.ranking.metrics import metrics
from fdakit.ranking.paired import PAIRED, paired_tests, query_values

TIES = ("optimistic", "pessimistic", "average", "expected")


def some(queries, seed=0, pool=60):
    rng = np.random.default_rng(seed)
    better = np.minimum(rng.geometric(0.15, queries) - 1, pool - 4)
    return Ranking(better.astype(np.int64), rng.integers(0, 4, queries), pool)


def values(ranking, ties="expected", names=PAIRED):
    return {name: query_values(ranking, name, ties=ties) for name in names}


def alone(change):
    """A metric of 0 on one side and `change` on the other."""
    change = np.asarray(change, np.float64)
    return {"x": np.zeros_like(change)}, {"x": change}


def redrawn(change, clusters, draws, seed, level=0.95):
    """The interval, a draw at a time and whole clusters of queries side by side."""
    names, rng, drawn = np.unique(clusters), keyed_rng(seed, "bootstrap"), []
    for _ in range(draws):
        picked = names[rng.integers(names.size, size=names.size)]
        drawn.append(np.concatenate([change[clusters == name] for name in picked]).mean())
    return tuple(np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]))


def swapped(change, clusters, draws, seed):
    """p, a draw at a time: the change of a cluster keeps its sign where its bit of the coins is set."""
    names, rng = np.unique(clusters), keyed_rng(seed, "swaps")
    sums = [change[clusters == name].sum() for name in names]
    coins = rng.integers(1 << 64, size=(draws, -(-names.size // 64)), dtype=np.uint64)
    as_large = 0
    for row in coins:
        # bits lie in the order of bytes in memory, the highest of each first
        bits = [byte >> place & 1 for byte in row.tobytes() for place in range(7, -1, -1)]
        total = sum(part if bit else -part for part, bit in zip(sums, bits, strict=False))
        as_large += abs(total) >= abs(sum(sums)) - 1e-9
    return (1 + as_large) / (1 + draws)


@pytest.mark.parametrize("ties", TIES)
def test_the_values_of_queries_make_the_metrics(ties):
    ranking = some(41)
    wanted = metrics(ranking, ties=ties, cutoffs=(1, 3, 10, 50))
    for name in ("R@1", "R@3", "R@10", "R@50", "MnR", "MRR", "RSum"):
        found = query_values(ranking, name, ties=ties)
        assert found.shape == (41,)
        assert found.mean() == pytest.approx(wanted[name], rel=1e-12)


@pytest.mark.parametrize("name", ["MdR", "R@0", "R@", "R@01", "r@1", "R@1 ", "nDCG"])
def test_what_is_no_mean_over_queries_is_refused(name):
    with pytest.raises(ScoreError, match=r"no mean over queries that is known; (did you mean|known: )"):
        query_values(some(3), name)


def test_a_ranking_against_itself_is_1():
    found = paired_tests(values(some(50)), values(some(50)), clusters=np.arange(50) // 3, draws=200, seed=0)
    assert list(found) == list(PAIRED)
    for test in found.values():
        assert (test.p, test.difference, test.interval) == (1.0, 0.0, (0.0, 0.0))
        assert test.first == test.second


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.sampled_from(TIES))
def test_exchanged_sides_give_the_same_with_the_other_sign(seed, queries, ties):
    one, two = values(some(queries, seed), ties), values(some(queries, seed + 1), ties)
    clusters = np.random.default_rng(seed).integers(0, 9, queries)
    there = paired_tests(one, two, clusters=clusters, draws=60, seed=seed)
    back = paired_tests(two, one, clusters=clusters, draws=60, seed=seed)
    for name in PAIRED:
        assert 0.0 < there[name].p <= 1.0
        assert there[name].p == back[name].p
        assert there[name].first == pytest.approx(one[name].mean(), rel=1e-12)
        assert there[name].difference == pytest.approx(two[name].mean() - one[name].mean(), abs=1e-9)
        assert there[name].difference == -back[name].difference
        assert (there[name].first, there[name].second) == (back[name].second, back[name].first)
        assert there[name].difference == pytest.approx(there[name].second - there[name].first, abs=1e-9)
        low, high = back[name].interval
        assert there[name].interval == pytest.approx((-high, -low), abs=1e-9)
        assert there[name].interval == pytest.approx(redrawn(two[name] - one[name], clusters, 60, seed), abs=1e-9)
        assert there[name].p == pytest.approx(swapped(two[name] - one[name], clusters, 60, seed), abs=1e-12)


@given(st.integers(0, 10**6))
def test_the_order_of_queries_decides_nothing(seed):
    one, two = values(some(40, seed)), values(some(40, seed + 1))
    clusters, order = np.arange(40) // 2, np.random.default_rng(seed).permutation(40)
    found = paired_tests(one, two, clusters=clusters, draws=50, seed=3)
    moved = ({name: side[name][order] for name in PAIRED} for side in (one, two))
    again = paired_tests(*moved, clusters=clusters[order] * 5 - 7, draws=50, seed=3)
    for name in PAIRED:
        assert again[name].p == found[name].p
        assert again[name].difference == pytest.approx(found[name].difference, abs=1e-9)
        assert again[name].interval == pytest.approx(found[name].interval, abs=1e-9)


def test_p_is_that_of_all_swaps():
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(9), [1, 2, 3, 1, 4, 1, 1, 2, 5])
    changes = [rng.normal(shift, 1.0, clusters.size) for shift in (0.0, 0.3, 0.8, 3.0)]
    changes.append(rng.integers(-1, 2, clusters.size).astype(np.float64))  # with swaps that give exactly the same
    for change in changes:
        sums = np.bincount(clusters, weights=change)
        swaps = np.array(list(itertools.product((-1.0, 1.0), repeat=9))) @ sums
        exact = np.mean(np.abs(swaps) >= abs(sums.sum()) - 1e-9)
        p = paired_tests(*alone(change), clusters=clusters, draws=40_000, seed=1)["x"].p
        assert p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 40_000) + 1e-4)


def test_the_interval_is_that_of_redrawn_clusters():
    change = np.random.default_rng(4).normal(size=40)
    clusters = np.random.default_rng(1).integers(0, 12, 40) * 7 + 100  # uneven, unsorted, with gaps
    found = paired_tests(*alone(change), clusters=clusters, draws=60, seed=5, level=0.8)["x"]
    assert found.interval == pytest.approx(redrawn(change, clusters, 60, 5, level=0.8), abs=1e-12)
    wide = paired_tests(*alone(change), clusters=clusters, draws=60, seed=5, level=0.99)["x"]
    assert wide.interval[0] < found.interval[0] < found.interval[1] < wide.interval[1]


def test_captions_of_a_video_stay_together():
    one, two = some(30, 1), some(30, 2)
    thrice = [Ranking(np.tile(r.better, 3), np.tile(r.equal, 3), r.pool) for r in (one, two)]
    once = paired_tests(values(one), values(two), clusters=np.arange(30), draws=300, seed=4)
    tiled = [values(ranking) for ranking in thrice]
    together = paired_tests(*tiled, clusters=np.tile(np.arange(30), 3), draws=300, seed=4)
    apart = paired_tests(*tiled, clusters=np.arange(90), draws=300, seed=4)
    for name in PAIRED:
        assert together[name].p == once[name].p
        assert together[name].interval == pytest.approx(once[name].interval, abs=1e-9)
    assert np.ptp(apart["MnR"].interval) < 0.75 * np.ptp(together["MnR"].interval)
    assert apart["MnR"].p < together["MnR"].p


def test_under_the_null_p_rejects_as_often_as_told_and_intervals_cover():
    rng = np.random.default_rng(11)
    sizes = rng.integers(1, 6, 40)
    clusters = np.repeat(np.arange(40), sizes)
    rejected = covered = 0
    for trial in range(300):
        shared = np.repeat(rng.normal(size=40), sizes)  # captions of a video change together
        change = shared + 0.5 * rng.normal(size=clusters.size)
        found = paired_tests(*alone(change), clusters=clusters, draws=199, seed=trial)["x"]
        rejected += found.p <= 0.05
        covered += found.interval[0] <= 0.0 <= found.interval[1]
    assert 0.02 <= rejected / 300 <= 0.09
    assert 0.89 <= covered / 300 <= 0.98


def test_a_clear_difference_is_as_improbable_as_the_draws_allow():
    found = paired_tests(*alone(np.ones(60)), clusters=np.arange(60), draws=999, seed=0)["x"]
    assert found.p == 1 / 1000
    assert found.interval == (1.0, 1.0)


def test_one_video_proves_nothing():
    assert paired_tests(*alone(np.ones(60)), clusters=np.zeros(60, np.int64), draws=99, seed=0)["x"].p == 1.0


def test_seed_and_draws_decide_and_the_size_of_blocks_does_not(monkeypatch):
    one, two, clusters = values(some(80, 1)), values(some(80, 2)), np.arange(80)
    first = paired_tests(one, two, clusters=clusters, draws=150, seed=1)
    other = paired_tests(one, two, clusters=clusters, draws=150, seed=2)
    assert all(other[name].interval != first[name].interval for name in ("R@1", "MnR", "MRR"))
    assert any(other[name].p != first[name].p for name in PAIRED)
    monkeypatch.setattr(module, "BLOCK", 7 * 80)
    again = paired_tests(one, two, clusters=clusters, draws=150, seed=1)
    for name in PAIRED:
        assert again[name].p == first[name].p
        assert again[name].interval == pytest.approx(first[name].interval, abs=1e-12)


def test_memory_stays_small():
    one, two = values(some(27_763, 1)), values(some(27_763, 2))
    tracemalloc.start()
    try:
        paired_tests(one, two, clusters=np.arange(27_763), draws=150, seed=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 2**20


def test_refusals():
    nothing = values(some(0))
    with pytest.raises(ScoreError, match="there is no query"):
        paired_tests(nothing, nothing, clusters=np.arange(0), seed=0)
    side = values(some(3))
    for other, clusters, also in (
        (values(some(4)), np.arange(3), {}),
        (side, np.arange(4), {}),
        (values(some(3), names=("R@1",)), np.arange(3), {}),
        (side, np.arange(3), {"draws": 0}),
        (side, np.arange(3), {"level": 95}),
        (side, np.arange(3), {"level": 0.0}),
        (side, np.arange(3), {"level": 1.0}),
    ):
        with pytest.raises(ValueError, match="wanted the same metrics with one value a query, 1 draw or more"):
            paired_tests(side, other, clusters=clusters, seed=0, **also)
