"""Laws that hold for any scores, and a slow, plain second opinion on small ones."""

from __future__ import annotations

from functools import partial
from inspect import signature
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fdakit.query_ranks import Ranking
from fdakit.ranking.metrics import metrics
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.values import Scores

RULES = ("optimistic", "pessimistic", "average", "expected")
SIDES = ("captions", "grouped", "per-caption")


@st.composite
def drawn_scores(draw, rows=9, columns=6, lose=True):
    """Few distinct scores, so that ties are common; eighths, so that sums and doublings are exact."""
    queries, videos = draw(st.integers(1, rows)), draw(st.integers(1, columns))
    values = st.lists(st.integers(-3, 3), min_size=queries * videos, max_size=queries * videos)
    matrix = np.array(draw(values), np.float32).reshape(queries, videos) / 8
    owners = draw(st.lists(st.integers(0, videos - 1), min_size=queries, max_size=queries))
    marks = st.lists(st.booleans() if lose else st.just(False), min_size=videos, max_size=videos)
    return Scores(matrix, np.array(owners, np.int64), np.array(draw(marks), np.bool_))


def rank(scores, side):
    """The ranking, and that it is the one of a plain count: a law alone may hold for a constant too."""
    ranking = rank_captions(scores) if side == "captions" else rank_videos(scores, mode=side)
    found = list(zip(ranking.better.tolist(), ranking.equal.tolist(), strict=True))
    assert found == counted(scores, side)
    return ranking


def same(one: Ranking, other: Ranking, order=slice(None)):
    np.testing.assert_array_equal(one.better[order], other.better)
    np.testing.assert_array_equal(one.equal[order], other.equal)
    assert one.pool == other.pool


def contests(scores, side):
    """For each query its own score, the scores of its rivals and the pool; None for a lost one."""
    matrix, owners, lost = scores.matrix.tolist(), scores.owners.tolist(), scores.lost.tolist()
    rows, owned = range(len(owners)), sorted(set(owners))
    if side == "captions":
        for row, own in enumerate(owners):
            rivals = [matrix[row][v] for v in range(len(lost)) if v != own and not lost[v]]
            yield None if lost[own] else (matrix[row][own], rivals, len(lost))
        return
    for video in owned:
        groups = {g: [matrix[r][video] for r in rows if owners[r] == g] for g in owned}
        if side == "grouped":
            rivals = [max(groups[g]) for g in owned if g != video]
        else:
            rivals = [score for g in owned if g != video for score in groups[g]]
        pool = len(owned) if side == "grouped" else len(owners)
        yield None if lost[video] else (max(groups[video]), rivals, pool)


def counted(scores, side):
    """(better, equal) of each query, a rival at a time; a lost one stands last."""
    queries = list(contests(scores, side))
    pool = {"captions": scores.lost.size, "grouped": len(set(scores.owners.tolist()))}.get(side, scores.owners.size)
    return [
        (pool - 1, 0) if c is None else (sum(r > c[0] for r in c[1]), sum(r == c[0] for r in c[1])) for c in queries
    ]


@pytest.mark.parametrize("side", SIDES)
@settings(deadline=None)
@given(scores=drawn_scores())
def test_counts_agree_with_a_plain_count(side, scores):
    ranking = rank(scores, side)
    assert all(c is None or c[2] == ranking.pool for c in contests(scores, side))


@pytest.mark.parametrize("side", SIDES)
@settings(max_examples=40, deadline=None)
@given(scores=drawn_scores(rows=5, columns=5, lose=False))
def test_expected_is_the_mean_over_all_orders_of_the_tied(side, scores):
    ranking = rank(scores, side)
    for query, (own, rivals, _) in enumerate(contests(scores, side)):
        places = []
        for order in permutations(range(len(rivals) + 1)):  # order[0] is the precedence of the target
            better = sum((-score, p) < (-own, order[0]) for score, p in zip(rivals, order[1:], strict=True))
            places.append(1 + better)
        assert ranking.ranks("expected")[query] == pytest.approx(np.mean(places), abs=1e-9)
        assert ranking.reciprocals("expected")[query] == pytest.approx(np.mean([1 / place for place in places]))
        for k in range(1, ranking.pool + 1):
            wanted = np.mean([place <= k for place in places])
            assert ranking.hits(k, "expected")[query] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("ties", RULES)
@settings(deadline=None)
@given(scores=drawn_scores(), side=st.sampled_from(SIDES))
def test_recall_grows_with_k_up_to_all(ties, scores, side):
    ranking = rank(scores, side)
    found = metrics(ranking, ties=ties, cutoffs=tuple(range(1, ranking.pool + 1)))
    recalls = [found[f"R@{k}"] for k in range(1, ranking.pool + 1)]
    assert recalls == sorted(recalls)
    assert recalls[-1] == 100.0
    assert 1 <= found["MnR"] <= ranking.pool
    assert 1 <= found["MdR"] <= ranking.pool


@pytest.mark.parametrize("ties", ["optimistic", "pessimistic", "average"])
@settings(deadline=None)
@given(scores=drawn_scores(), side=st.sampled_from(SIDES))
def test_recall_counts_whole_queries(ties, scores, side):
    ranking = rank(scores, side)
    for k in (1, 5, 10):
        count = metrics(ranking, ties=ties)[f"R@{k}"] * ranking.better.size / 100
        assert count == pytest.approx(round(count), abs=1e-9)


@settings(deadline=None)
@given(scores=drawn_scores(), side=st.sampled_from(SIDES), k=st.integers(1, 10))
def test_rules_stand_in_order(scores, side, k):
    ranking = rank(scores, side)
    assert (ranking.hits(k, "pessimistic") <= ranking.hits(k, "expected")).all()
    assert (ranking.hits(k, "expected") <= ranking.hits(k, "optimistic")).all()
    middle = (ranking.ranks("optimistic") + ranking.ranks("pessimistic")) / 2
    np.testing.assert_array_equal(ranking.ranks("expected"), middle)
    np.testing.assert_array_equal(ranking.ranks("average"), middle)


@pytest.mark.parametrize("side", SIDES)
@settings(deadline=None)
@given(scores=drawn_scores(), data=st.data())
def test_shuffling_queries_and_videos_changes_nothing(side, scores, data):
    queries, videos = scores.matrix.shape
    rows = np.array(data.draw(st.permutations(range(queries))))
    columns = np.array(data.draw(st.permutations(range(videos))))
    owners = np.argsort(columns)[scores.owners[rows]]
    shuffled = Scores(scores.matrix[rows][:, columns], owners, scores.lost[columns])
    order = rows
    if side != "captions":  # the queries are videos, in the order of their columns
        order = np.searchsorted(np.unique(scores.owners), columns[np.unique(owners)])
    same(rank(scores, side), rank(shuffled, side), order)


@pytest.mark.integration
@pytest.mark.parametrize("side", SIDES)
@settings(deadline=None)
@given(scores=drawn_scores(), shift=st.integers(-4, 4), power=st.integers(-8, 8))
def test_adding_and_scaling_change_nothing(side, scores, shift, power):
    moved = (scores.matrix + np.float32(shift)) * np.float32(2.0**power)
    same(rank(scores, side), rank(Scores(moved, scores.owners, scores.lost), side))


@pytest.mark.parametrize("side", SIDES)
@settings(deadline=None)
@given(scores=drawn_scores(), junk=st.sampled_from([np.nan, np.inf, -np.inf, 7.0]))
def test_scores_of_lost_videos_mean_nothing(side, scores, junk):
    matrix = scores.matrix.copy()
    matrix[:, scores.lost] = junk
    same(rank(scores, side), rank(Scores(matrix, scores.owners, scores.lost), side))


@settings(deadline=None)
@given(scores=drawn_scores(lose=False), data=st.data())
def test_losing_a_video_moves_no_other_caption_back(scores, data):
    column = data.draw(st.integers(0, scores.matrix.shape[1] - 1))
    lost = scores.lost.copy()
    lost[column] = True
    before = rank(scores, "captions")
    after = rank(Scores(scores.matrix, scores.owners, lost), "captions")
    own = scores.owners == column
    assert (after.ranks("pessimistic")[own] == before.pool).all()
    assert (after.ranks("optimistic")[own] == before.pool).all()
    assert (after.ranks("pessimistic")[~own] <= before.ranks("pessimistic")[~own]).all()
    assert after.pool == before.pool


@settings(deadline=None)
@given(scores=drawn_scores(rows=6, columns=6))
def test_both_modes_agree_with_one_caption_a_video(scores):
    videos = scores.matrix.shape[1]
    owners = np.arange(min(scores.matrix.shape))
    single = Scores(scores.matrix[: owners.size], owners, scores.lost)
    assert owners.size <= videos
    same(rank(single, "grouped"), rank(single, "per-caption"))


class InOrder:
    """Stands for hypothesis' `data`: gives these values one after the other."""

    def __init__(self, *values):
        self._values = list(values)

    def draw(self, strategy):
        return self._values.pop(0)


MATRIX = np.array([[3, 1, 2], [2, 2, 3], [1, 3, 1], [3, 3, 0]], np.float32) / 8
EXAMPLE = Scores(MATRIX, np.array([0, 1, 2, 1]), np.zeros(3, np.bool_))
BROKEN = Scores(MATRIX, np.array([0, 1, 2, 1]), np.array([False, True, False]))
LAWS = {
    test_counts_agree_with_a_plain_count: {"scores": EXAMPLE},
    test_expected_is_the_mean_over_all_orders_of_the_tied: {"scores": EXAMPLE},
    test_recall_grows_with_k_up_to_all: {"scores": EXAMPLE, "ties": "expected"},
    test_recall_counts_whole_queries: {"scores": EXAMPLE, "ties": "average"},
    test_rules_stand_in_order: {"scores": EXAMPLE, "k": 2},
    test_shuffling_queries_and_videos_changes_nothing: {"scores": EXAMPLE, "data": ([3, 1, 0, 2], [2, 0, 1])},
    test_adding_and_scaling_change_nothing: {"scores": EXAMPLE, "shift": 1, "power": 3},
    test_scores_of_lost_videos_mean_nothing: {"scores": BROKEN, "junk": np.nan},
    test_losing_a_video_moves_no_other_caption_back: {"scores": EXAMPLE, "data": (1,)},
    test_both_modes_agree_with_one_caption_a_video: {"scores": EXAMPLE},
}


def constant(better, equal):
    """A ranker that gives every query the same place, as these functions of the pool say."""

    def rank_all(scores, mode="captions"):
        owned = len(set(scores.owners.tolist()))
        queries = scores.owners.size if mode == "captions" else owned
        pool = {"captions": scores.lost.size, "grouped": owned}.get(mode, scores.owners.size)
        return Ranking(np.full(queries, better(pool)), np.full(queries, equal(pool)), pool)

    return rank_all


CONSTANTS = {
    "first": constant(lambda pool: 0, lambda pool: 0),
    "last": constant(lambda pool: pool - 1, lambda pool: 0),
    "tied": constant(lambda pool: 0, lambda pool: pool - 1),
}


@pytest.mark.parametrize("ranker", CONSTANTS)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__.removeprefix("test_"))
@pytest.mark.parametrize("side", SIDES)
def test_no_law_holds_for_a_constant(monkeypatch, law, side, ranker):
    its = law.hypothesis.inner_test
    arguments = {**LAWS[law], "side": side}
    arguments = {name: arguments[name] for name in signature(its).parameters}
    if "data" in arguments:
        arguments["data"] = InOrder(*LAWS[law]["data"])
    its(**arguments)
    if "data" in arguments:
        arguments["data"] = InOrder(*LAWS[law]["data"])
    for name in ("rank_captions", "rank_videos"):
        default = "captions" if name == "rank_captions" else "grouped"
        fake = partial(CONSTANTS[ranker], mode=default)
        monkeypatch.setitem(globals(), name, fake)
    with pytest.raises(AssertionError):
        its(**arguments)
