"""Ranks on cases small enough to count by hand, ties, lost videos, and refused arguments."""

from __future__ import annotations

import numpy as np
import pytest

from fdakit.query_ranks import Ranking
from fdakit.ranking import scan
from fdakit.ranking.metrics import metrics
from fdakit.ranking.ranks import rank_captions, rank_videos

RULES = ("optimistic", "pessimistic", "average", "expected")
MULTI = [[0.9, 0.75], [0.2, 0.8], [0.3, 0.7]]  # captions of the videos 0, 0, 1


def identity(size):
    """The identity with one row, the second, all 0.5."""
    matrix = np.eye(size, dtype=np.float32)
    matrix[1] = 0.5
    return matrix


CASES = [  # size, R@1 and MnR by rule
    (3, "optimistic", 100.0, 1.0),
    (3, "pessimistic", 200 / 3, 5 / 3),
    (3, "average", 200 / 3, 4 / 3),
    (3, "expected", 700 / 9, 4 / 3),
    (2, "optimistic", 100.0, 1.0),
    (2, "pessimistic", 50.0, 1.5),
    (2, "average", 50.0, 1.25),
    (2, "expected", 75.0, 1.25),
    (100, "optimistic", 100.0, 1.0),
    (100, "pessimistic", 99.0, 1.99),
    (100, "average", 99.0, 1.495),
    (100, "expected", 99.01, 1.495),
]


@pytest.mark.parametrize(("size", "ties", "first", "mean"), CASES)
def test_identity_with_one_row_of_equals(make_scores, size, ties, first, mean):
    ranking = rank_captions(make_scores(identity(size)))
    found = metrics(ranking, ties=ties)
    assert found["R@1"] == pytest.approx(first, abs=1e-9)
    assert found["MnR"] == pytest.approx(mean, abs=1e-9)
    assert ranking.tied == 1
    assert ranking.equal.tolist() == [0, size - 1] + [0] * (size - 2)


@pytest.mark.parametrize("mode", ["grouped", "per-caption"])
@pytest.mark.parametrize("ties", RULES)
def test_identity_with_one_row_of_equals_has_no_tied_column(make_scores, mode, ties):
    ranking = rank_videos(make_scores(identity(3)), mode=mode)
    recalls = {f"R@{k}": 100.0 for k in (1, 5, 10, 50)}
    assert metrics(ranking, ties=ties) == {**recalls, "MdR": 1.0, "MnR": 1.0, "MRR": 1.0, "RSum": 300.0}
    assert ranking.tied == 0


@pytest.mark.parametrize("rank", [rank_captions, rank_videos])
@pytest.mark.parametrize(
    ("ties", "first", "tenth", "mean"),
    [
        ("optimistic", 100.0, 100.0, 1.0),
        ("pessimistic", 0.0, 0.0, 1000.0),
        ("average", 0.0, 0.0, 500.5),
        ("expected", 0.1, 1.0, 500.5),
    ],
)
def test_constant_matrix(make_scores, rank, ties, first, tenth, mean):
    ranking = rank(make_scores(np.full((1000, 1000), 0.25)))
    found = metrics(ranking, ties=ties)
    assert (found["R@1"], found["R@10"]) == pytest.approx((first, tenth), abs=1e-9)
    assert (found["MnR"], found["MdR"]) == (mean, mean)
    assert ranking.tied == 1000


@pytest.mark.parametrize("ties", RULES)
def test_several_captions_a_video(make_scores, ties):
    scores = make_scores(MULTI, owners=[0, 0, 1])
    captions = rank_captions(scores)
    assert captions.ranks(ties).tolist() == [1, 2, 1]
    assert metrics(captions, ties=ties)["R@1"] == pytest.approx(200 / 3, abs=1e-9)
    grouped = rank_videos(scores)
    assert grouped.ranks(ties).tolist() == [1, 2]
    assert (metrics(grouped, ties=ties)["R@1"], metrics(grouped, ties=ties)["MnR"]) == (50.0, 1.5)
    each = rank_videos(scores, mode="per-caption")
    assert each.ranks(ties).tolist() == [1, 3]
    assert metrics(each, ties=ties)["MnR"] == 2.0
    assert (captions.pool, grouped.pool, each.pool) == (2, 2, 3)


def test_own_captions_are_no_rivals_in_either_mode(make_scores):
    # Video 0 owns three captions of 0.5, video 1 one of 0.5 and one better.
    scores = make_scores([[0.5, 0]] * 3 + [[0.5, 1], [0.75, 0]], owners=[0, 0, 0, 1, 1])
    each = rank_videos(scores, mode="per-caption")
    assert (each.better.tolist(), each.equal.tolist()) == ([1, 0], [1, 0])
    grouped = rank_videos(scores)
    assert (grouped.better.tolist(), grouped.equal.tolist()) == ([1, 0], [0, 0])


def test_a_set_scores_as_its_best_caption(make_scores):
    # By mean or by first caption video 0 would win its column; by best caption the sets of 0 and 1 tie.
    scores = make_scores([[0.5, 0.1], [0.75, 0.1], [-1, 0.9], [0.75, 0.2]], owners=[0, 0, 1, 1])
    assert rank_videos(scores).equal.tolist() == [1, 0]


def test_rows_in_any_order_and_videos_without_captions(make_scores):
    matrix = [[0.1, 0.9, 0.3], [0.8, 0.9, 0.1], [0.2, 0.95, 0.7]]
    scores = make_scores(matrix, owners=[2, 0, 2])
    captions, videos = rank_captions(scores), rank_videos(scores)
    assert (captions.ranks("average").tolist(), captions.pool) == ([2, 2, 2], 3)  # video 1 is a candidate
    assert (videos.ranks("average").tolist(), videos.pool) == ([1, 1], 2)  # and no query


def test_hits_of_a_tied_query():
    ranking = Ranking(np.array([2]), np.array([3]), pool=9)  # places 3 to 6
    assert [ranking.hits(k, "expected")[0] for k in range(1, 8)] == [0, 0, 0.25, 0.5, 0.75, 1, 1]
    assert [ranking.hits(k, "optimistic")[0] for k in (2, 3)] == [0, 1]
    assert [ranking.hits(k, "average")[0] for k in (4, 5)] == [0, 1]  # mean rank 4.5
    assert [ranking.hits(k, "pessimistic")[0] for k in (5, 6)] == [0, 1]


def test_lost_video_comes_last_and_is_no_rival(make_scores):
    matrix = np.array([[0.5, 0.9, 0.1], [0.2, np.nan, 0.3], [0.4, np.inf, 0.4]])
    ranking = rank_captions(make_scores(matrix, lost=[1]))
    assert ranking.ranks("expected").tolist() == [1, 3, 1.5]
    assert (ranking.better.tolist(), ranking.equal.tolist(), ranking.pool) == ([0, 2, 0], [0, 0, 1], 3)


@pytest.mark.parametrize(("mode", "ranks", "pool"), [("grouped", [2, 3, 1], 3), ("per-caption", [3, 4, 1], 4)])
def test_captions_of_a_lost_video_stay_candidates(make_scores, mode, ranks, pool):
    matrix = [[0.5, np.nan, 0.1], [0.9, np.nan, 0.2], [0.7, -np.inf, 0.3], [0.4, 0.1, 0.8]]
    ranking = rank_videos(make_scores(matrix, owners=[0, 1, 1, 2], lost=[1]), mode=mode)
    assert (ranking.ranks("optimistic").tolist(), ranking.tied, ranking.pool) == (ranks, 0, pool)


def test_every_video_lost(make_scores):
    scores = make_scores(np.full((3, 3), np.nan), lost=[0, 1, 2])
    assert rank_captions(scores).ranks("expected").tolist() == [3, 3, 3]
    assert rank_videos(scores).ranks("expected").tolist() == [3, 3, 3]


@pytest.mark.parametrize("block", [1, 7, 40])
def test_blocks_change_nothing(make_scores, monkeypatch, block):
    rng = np.random.default_rng(3)
    scores = make_scores(rng.integers(0, 9, (23, 6)), owners=rng.integers(0, 6, 23), lost=[4])
    runs = []
    for size in (scan.BLOCK, block):
        monkeypatch.setattr(scan, "BLOCK", size)
        runs.append([rank_captions(scores), rank_videos(scores), rank_videos(scores, mode="per-caption")])
    for whole, parts in zip(*runs, strict=True):
        np.testing.assert_array_equal(whole.better, parts.better)
        np.testing.assert_array_equal(whole.equal, parts.equal)
    assert runs[0][0].tied > 0


def test_close_is_not_equal(make_scores):
    above = np.nextafter(np.float32(0.5), np.float32(1))
    assert rank_captions(make_scores([[0.5, above]])).better.tolist() == [1]
    assert rank_captions(make_scores([[above, 0.5]])).ranks("pessimistic").tolist() == [1]


@pytest.mark.parametrize(
    ("better", "equal", "pool"),
    [([0, 1], [0], 5), ([-1], [0], 5), ([0], [-1], 5), ([3], [2], 5), ([0.0], [0], 5), ([[0]], [[0]], 5)],
)
def test_a_ranking_checks_itself(better, equal, pool):
    with pytest.raises(ValueError, match=r"wanted|pool"):
        Ranking(np.array(better), np.array(equal), pool)


def test_unknown_rule_mode_and_cutoff_are_refused(make_scores):
    ranking = rank_captions(make_scores(np.eye(2)))
    with pytest.raises(ValueError, match="did you mean 'optimistic'"):
        ranking.ranks("optimist")
    with pytest.raises(ValueError, match="tie rule"):
        ranking.hits(1, "first")
    with pytest.raises(ValueError, match="cutoff 0"):
        ranking.hits(0, "expected")
    with pytest.raises(ValueError, match="did you mean 'grouped'"):
        rank_videos(make_scores(np.eye(2)), mode="group")
