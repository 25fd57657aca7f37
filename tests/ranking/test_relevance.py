"""Several right answers: nDCG by hand and against every order of the tied, and the best right answer's rank."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fdakit.errors import ScoreError
from fdakit.ranking.ranks import rank_captions
from fdakit.ranking.relevance import ndcg, rank_relevant
from fdakit.values import Scores


def test_ndcg_by_hand():
    found = ndcg(np.array([[0.9, 0.8, 0.7]]), np.array([[0.0, 3.0, 1.0]]))
    assert found[0] == pytest.approx((3 / np.log2(3) + 1 / 2) / (3 + 1 / np.log2(3)))
    assert ndcg(np.array([[0.9, 0.8, 0.7]]), np.array([[2.0, 1.0, 0.0]]))[0] == pytest.approx(1.0)


@settings(max_examples=40, deadline=None)
@given(scores=st.lists(st.integers(0, 2), min_size=1, max_size=5), data=st.data())
def test_ndcg_under_ties_is_the_mean_the_best_and_the_worst_of_all_orders(scores, data):
    gains = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(scores), max_size=len(scores))), np.float64)
    if not gains.any():
        gains[0] = 1
    row = np.array(scores, np.float64)
    ideal = np.sort(gains)[::-1] @ (1 / np.log2(np.arange(2, len(row) + 2)))
    values = []
    for order in permutations(range(len(row))):
        if all(row[a] >= row[b] for a, b in pairwise(order)):
            values.append(gains[list(order)] @ (1 / np.log2(np.arange(2, len(row) + 2))) / ideal)
    found = {rule: ndcg(row[None], gains[None], ties=rule)[0] for rule in ("expected", "optimistic", "pessimistic")}
    assert found["expected"] == pytest.approx(np.mean(values))
    assert found["optimistic"] == pytest.approx(max(values))
    assert found["pessimistic"] == pytest.approx(min(values))


def test_one_right_answer_gives_the_ranks_of_single_captions():
    rng = np.random.default_rng(0)
    matrix = rng.integers(0, 5, (20, 8)).astype(np.float32)
    owners = rng.integers(0, 8, 20)
    wanted = rank_captions(Scores(matrix, owners, np.zeros(8, np.bool_)))
    found = rank_relevant(matrix, np.eye(8)[owners])
    np.testing.assert_array_equal(found.better, wanted.better)
    np.testing.assert_array_equal(found.equal, wanted.equal)


def test_other_right_answers_are_no_rivals():
    found = rank_relevant(np.array([[0.5, 0.9, 0.5, 0.5]]), np.array([[1.0, 0.0, 2.0, 0.0]]))
    assert (found.better.tolist(), found.equal.tolist(), found.pool) == ([1], [1], 4)


def test_an_unknown_tie_rule_is_refused():
    with pytest.raises(ValueError, match="unknown tie rule 'optimist'; did you mean 'optimistic'"):
        ndcg(np.ones((1, 2)), np.ones((1, 2)), ties="optimist")


@pytest.mark.parametrize(
    ("matrix", "gains", "words"),
    [
        (np.ones((2, 3)), np.ones((3, 2)), r"truth \(3, 2\) beside scores \(2, 3\)"),
        (np.array([[1.0, np.nan]]), np.ones((1, 2)), "not finite for 1 of 1 queries, first row 0"),
        (np.ones((2, 2)), np.array([[1.0, 0.0], [0.0, 0.0]]), "1 of 2 queries have no right answer, first row 1"),
        (np.ones((1, 2)), np.array([[1.0, -1.0]]), "not below zero"),
    ],
)
def test_what_does_not_fit_is_refused(matrix, gains, words):
    for measure in (rank_relevant, ndcg):
        with pytest.raises(ScoreError, match=words):
            measure(matrix, gains)
