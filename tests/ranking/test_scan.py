"""Scores that cannot be ranked are refused, with the place and the remedy."""

from __future__ import annotations

import numpy as np
import pytest

from fdakit.errors import ScoreError
from fdakit.ranking import scan
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.values import Scores

RANKERS = [rank_captions, rank_videos]


@pytest.mark.parametrize("rank", RANKERS)
def test_a_row_of_nan_is_an_error(make_scores, rank):
    matrix = np.eye(3)
    matrix[1] = np.nan
    with pytest.raises(ScoreError) as caught:
        rank(make_scores(matrix))
    text = str(caught.value)
    assert "1 of 3 queries (rows [1])" in text
    assert "3 of 3 videos (columns [0, 1, 2])" in text
    assert "mark as lost" in text


@pytest.mark.parametrize("rank", RANKERS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_single_broken_score_is_found_in_any_block(make_scores, monkeypatch, rank, value):
    monkeypatch.setattr(scan, "BLOCK", 8)
    matrix = np.zeros((9, 4))
    matrix[7, 2] = value
    with pytest.raises(ScoreError, match=r"rows \[7\].*columns \[2\]"):
        rank(make_scores(matrix, owners=[0] * 9))


@pytest.mark.parametrize("rank", RANKERS)
def test_a_broken_score_beside_a_lost_column_is_still_an_error(make_scores, rank):
    matrix = np.full((3, 3), np.nan)
    matrix[:, 0] = 0.5
    with pytest.raises(ScoreError, match=r"rows \[0, 1, 2\].*columns \[2\]"):
        rank(make_scores(matrix, lost=[1]))


def test_only_the_first_places_are_named(make_scores):
    with pytest.raises(ScoreError, match=r"8 of 8 queries \(rows \[0, 1, 2, 3, 4, \.\.\.\]\)"):
        rank_captions(make_scores(np.full((8, 8), np.nan)))


@pytest.mark.parametrize("rank", RANKERS)
@pytest.mark.parametrize("owner", [-1, 2])
def test_an_owner_outside_the_matrix_is_an_error(make_scores, rank, owner):
    with pytest.raises(ScoreError, match=r"captions \[1\] belong to none of the 2 videos"):
        rank(make_scores(np.eye(2), owners=[0, owner]))


@pytest.mark.parametrize("rank", RANKERS)
@pytest.mark.parametrize(("owners", "lost"), [(np.array([0.0, 1.0]), [False, False]), (np.array([0, 1]), [0, 1])])
def test_owners_and_lost_of_another_type_are_an_error(rank, owners, lost):
    with pytest.raises(ScoreError, match="wanted whole numbers and booleans"):
        rank(Scores(np.eye(2, dtype=np.float32), owners, np.array(lost)))
