"""Ranks of what a function compares, tile by tile: those of the whole matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fdakit import ScoreError
from fdakit.plugin import Scores
from fdakit.ranking.ranks import rank_captions, rank_videos
from fdakit.ranking.scored_tiles import Pairs
from fdakit.ranking.streamed import rank_pairs


def of_matrix(
    matrix: np.ndarray, texts: np.ndarray, videos: np.ndarray, owners: np.ndarray, lost: np.ndarray
) -> Pairs:
    def score(some: np.ndarray, shown: np.ndarray) -> np.ndarray:
        assert len(set(some)) == len(some)
        assert len(set(shown)) == len(shown)
        return matrix[np.ix_(some, shown)]

    return Pairs(score, texts, videos, owners, lost)


@given(
    counts=st.tuples(st.integers(1, 12), st.integers(1, 9)),
    sizes=st.tuples(st.integers(1, 25), st.integers(1, 15)),
    tile=st.integers(1, 9),
    levels=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_ranks_are_those_of_the_whole_matrix(
    counts: tuple[int, int], sizes: tuple[int, int], tile: int, levels: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, levels, counts).astype(np.float32)
    texts, videos = (rng.integers(0, count, size) for count, size in zip(counts, sizes, strict=True))
    owners, lost = rng.integers(0, sizes[1], sizes[0]), np.isin(videos, rng.integers(0, counts[1], 1))
    matrix[:, np.unique(videos[lost])] = np.nan  # such scores mean nothing
    whole = Scores(matrix[np.ix_(texts, videos)], owners, lost)
    for mode in ("grouped", "per-caption"):
        found = rank_pairs(of_matrix(matrix, texts, videos, owners, lost), mode=mode, tile=tile)  # type: ignore[arg-type]
        for ranking, wanted in zip(found, (rank_captions(whole), rank_videos(whole, mode=mode)), strict=True):  # type: ignore[arg-type]
            np.testing.assert_array_equal(ranking.better, wanted.better)
            np.testing.assert_array_equal(ranking.equal, wanted.equal)
            assert ranking.pool == wanted.pool


def test_a_score_that_is_no_number_is_an_error() -> None:
    matrix = np.array([[0.0, np.inf]], np.float32)
    pairs = of_matrix(matrix, np.zeros(2, np.int64), np.arange(2), np.arange(2), np.zeros(2, np.bool_))
    with pytest.raises(ScoreError, match="some are not finite"):
        rank_pairs(pairs)
