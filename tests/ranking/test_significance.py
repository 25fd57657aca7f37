"""The bootstrap: the same draws for the same seed, clusters kept whole, intervals of the right width."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from fdakit.errors import ScoreError
from fdakit.query_ranks import Ranking
from fdakit.random_keys import keyed_rng
from fdakit.ranking.metrics import metrics
from fdakit.ranking.significance import bootstrap_ci, bootstrap_means


def some(queries, seed=0, pool=60):
    rng = np.random.default_rng(seed)
    better = np.minimum(rng.geometric(0.15, queries) - 1, pool - 4)
    return Ranking(better.astype(np.int64), rng.integers(0, 4, queries), pool)


@pytest.mark.parametrize("ties", ["optimistic", "pessimistic", "average", "expected"])
@pytest.mark.parametrize("queries", [1, 40, 41])
def test_every_metric_of_every_draw(ties, queries):
    ranking = some(queries)
    clusters = np.random.default_rng(1).integers(0, 12, queries) * 7 + 100  # uneven, unsorted, with gaps
    names = np.unique(clusters)
    rng, drawn = keyed_rng(5, "bootstrap"), []
    for _ in range(60):
        picked = names[rng.integers(names.size, size=names.size)]
        rows = np.concatenate([np.flatnonzero(clusters == name) for name in picked])
        drawn.append(metrics(Ranking(ranking.better[rows], ranking.equal[rows], ranking.pool), ties=ties))
    found = bootstrap_ci(ranking, clusters=clusters, ties=ties, draws=60, seed=5, level=0.8)
    assert list(found) == list(metrics(ranking, ties=ties))
    for name, interval in found.items():
        wanted = np.quantile([draw[name] for draw in drawn], [0.1, 0.9])
        assert interval == pytest.approx(tuple(wanted), abs=1e-9)


def test_the_seed_decides():
    ranking, clusters = some(200), np.arange(200)
    first = bootstrap_ci(ranking, clusters=clusters, draws=200, seed=1)
    assert bootstrap_ci(ranking, clusters=clusters, draws=200, seed=1) == first
    assert bootstrap_ci(ranking, clusters=clusters, draws=200, seed=2) != first


def test_queries_of_a_cluster_are_drawn_together():
    ranking, clusters = some(60), np.arange(60)
    thrice = Ranking(np.tile(ranking.better, 3), np.tile(ranking.equal, 3), ranking.pool)
    once = bootstrap_ci(ranking, clusters=clusters, seed=4, draws=400)
    together = bootstrap_ci(thrice, clusters=np.tile(clusters, 3), seed=4, draws=400)
    apart = bootstrap_ci(thrice, clusters=np.arange(180), seed=4, draws=400)
    for name, interval in once.items():
        assert together[name] == pytest.approx(interval, abs=1e-9)
    low, high = once["MnR"]
    assert apart["MnR"][1] - apart["MnR"][0] < 0.75 * (high - low)  # 1/sqrt(3) but for chance


def test_one_cluster_leaves_nothing_to_chance():
    ranking = some(30)
    found = bootstrap_ci(ranking, clusters=np.zeros(30, np.int64), seed=0, draws=20)
    for name, value in metrics(ranking).items():
        assert found[name] == pytest.approx((value, value), abs=1e-9)


def test_width_is_that_of_the_binomial():
    better = np.where(np.arange(1000) < 480, 0, 20).astype(np.int64)
    ranking = Ranking(better, np.zeros_like(better), 1000)
    low, high = bootstrap_ci(ranking, clusters=np.arange(1000), seed=0, draws=2000)["R@1"]
    assert (high - low) / (2 * 1.96) == pytest.approx(1.58, rel=0.08)  # sqrt(48 * 52 / 1000)
    assert (low + high) / 2 == pytest.approx(48.0, abs=0.4)


@pytest.mark.integration
def test_intervals_cover_the_truth_when_clusters_are_kept():
    rng = np.random.default_rng(8)
    covered = {"kept": 0, "split": 0}
    for trial in range(120):
        better = np.repeat(rng.random(70) > 0.4, 4).astype(np.int64)  # R@1 is 40, four alike for each video
        ranking = Ranking(better, np.zeros_like(better), 10)
        for name, clusters in (("kept", np.repeat(np.arange(70), 4)), ("split", np.arange(280))):
            low, high = bootstrap_ci(ranking, clusters=clusters, draws=150, seed=trial)["R@1"]
            covered[name] += low <= 40.0 <= high
    assert 0.88 <= covered["kept"] / 120 <= 1.0
    assert covered["split"] / 120 < 0.8


def test_a_wider_level_holds_the_narrower():
    ranking = some(150)
    wide = bootstrap_ci(ranking, clusters=np.arange(150), seed=0, draws=300)
    narrow = bootstrap_ci(ranking, clusters=np.arange(150), seed=0, draws=300, level=0.5)
    for name, value in metrics(ranking).items():
        assert wide[name][0] <= narrow[name][0] <= narrow[name][1] <= wide[name][1]
        assert wide[name][0] <= value <= wide[name][1]


def test_means_have_the_intervals_of_metrics_that_are_means():
    rng = np.random.default_rng(0)
    ranking = Ranking(rng.integers(0, 20, 40), rng.integers(0, 3, 40), 25)
    settings = {"clusters": rng.integers(0, 9, 40), "draws": 50, "seed": 3}
    found = bootstrap_means({"R@5": 100 * ranking.hits(5, "expected"), "MnR": ranking.ranks("expected")}, **settings)
    wanted = bootstrap_ci(ranking, **settings)
    assert found.keys() == {"R@5", "MnR"}
    for name, interval in found.items():
        assert interval == pytest.approx(wanted[name])


def test_other_cutoffs():
    found = bootstrap_ci(some(20), clusters=np.arange(20), seed=0, draws=5, cutoffs=(50,))
    assert list(found) == ["R@50", "MdR", "MnR", "MRR", "RSum"]


def test_memory_is_that_of_one_draw():
    ranking = some(27_763, pool=670)
    clusters = np.random.default_rng(0).integers(0, 670, 27_763)
    tracemalloc.start()
    try:
        bootstrap_ci(ranking, clusters=clusters, seed=0, draws=50)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * 2**20


def test_refusals():
    with pytest.raises(ScoreError, match="no query"):
        bootstrap_ci(some(0), clusters=np.arange(0), seed=0)
    with pytest.raises(ValueError, match=r"wanted \(3,\)"):
        bootstrap_ci(some(3), clusters=np.arange(2), seed=0)
    with pytest.raises(ValueError, match="1 draw or more"):
        bootstrap_ci(some(3), clusters=np.arange(3), seed=0, draws=0)
    for level in (95, 0.0, 1.0, -0.5):
        with pytest.raises(ValueError, match=f"1 draws, level {level}; "):
            bootstrap_ci(some(3), clusters=np.arange(3), seed=0, level=level, draws=1)
