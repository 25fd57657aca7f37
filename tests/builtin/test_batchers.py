"""The built-in batchers: laws, and what each promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from helpers.training_pairs import pairs_of
from hypothesis import given, strategies as st

from fdakit.builtin.batchers.distinct_videos import DISTINCT_VIDEOS
from fdakit.builtin.batchers.random import RANDOM
from fdakit.catalog import load_catalog
from fdakit.plugin import TrainingPairs
from fdakit.random_keys import keyed_rng
from fdakit.testing import build_part, check_batcher

DISTINCT = build_part(DISTINCT_VIDEOS)
DRAWN = st.lists(st.integers(1, 8), min_size=1, max_size=12)
BATCHERS = [pytest.param(offer.component, id=offer.component.name) for offer in load_catalog().of_kind("batcher")]


def batches(part: Any, pairs: TrainingPairs, size: int, seed: int = 0, epoch: int = 0) -> list[list[int]]:
    """The batches of an epoch, as a training asks for them."""
    return [list(batch) for batch in part(pairs, size, epoch, keyed_rng(seed, "order", epoch))]


@pytest.mark.parametrize("batcher", BATCHERS)
def test_every_batcher_keeps_the_laws(batcher: Any) -> None:
    check_batcher(batcher)


@given(DRAWN, st.integers(1, 9), st.integers(0, 99))
def test_distinct_videos_makes_equal_batches_of_different_videos(counts: list[int], size: int, seed: int) -> None:
    pairs = pairs_of(counts)
    plan = batches(DISTINCT, pairs, size, seed)
    assert plan
    assert {len(batch) for batch in plan} == {min(size, len(counts))}
    assert all(len(set(pairs.videos[batch])) == len(batch) for batch in plan)
    assert max(Counter(row for batch in plan for row in batch).values()) == 1


@given(DRAWN, st.integers(1, 9))
def test_what_distinct_videos_leaves_over_would_fill_no_batch(counts: list[int], size: int) -> None:
    pairs = pairs_of(counts)
    used = [row for batch in batches(DISTINCT, pairs, size) for row in batch]
    left = np.setdiff1d(np.arange(len(pairs)), used)
    assert len(set(pairs.videos[left])) < min(size, len(counts))


def test_every_pair_has_its_turn_over_the_epochs() -> None:
    pairs = pairs_of([5, 1, 1, 2])
    used = {row for epoch in range(60) for batch in batches(DISTINCT, pairs, 3, epoch=epoch) for row in batch}
    assert used == set(range(len(pairs)))


def test_videos_that_show_the_same_never_meet_in_a_batch() -> None:
    pairs = pairs_of([3] * 6, contents=[0, 1, 0, 3, 3, 3])
    for epoch in range(5):
        plan = batches(DISTINCT, pairs, 4, epoch=epoch)
        assert plan
        assert all(len(set(pairs.contents[batch])) == len(batch) == 3 for batch in plan)


def test_the_batches_of_earlier_trainings_are_repeated() -> None:
    assert batches(DISTINCT, pairs_of([2, 3, 1]), 3, seed=24, epoch=1) == [[4, 0, 5]]
    twins = batches(DISTINCT, pairs_of([3] * 4, contents=[0, 1, 0, 3]), 2, seed=7)
    assert twins == [[2, 10], [8, 9], [1, 4], [6, 11], [0, 3], [7, 5]]


@given(DRAWN, st.integers(1, 9), st.integers(0, 99))
def test_random_batches_are_full_and_leave_less_than_one(counts: Sequence[int], size: int, seed: int) -> None:
    pairs = pairs_of(counts)
    plan = batches(build_part(RANDOM), pairs, size, seed)
    assert {len(batch) for batch in plan} == {min(size, len(pairs))}
    assert len(pairs) - sum(map(len, plan)) < size
    assert max(Counter(row for batch in plan for row in batch).values()) == 1


def test_random_batches_may_have_a_video_twice() -> None:
    pairs = pairs_of([9, 9])
    assert all(len(set(pairs.videos[batch])) < len(batch) for batch in batches(build_part(RANDOM), pairs, 6))
