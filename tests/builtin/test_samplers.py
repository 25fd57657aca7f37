"""`uniform`: centres of equal parts in evaluation, one frame of each part in training."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fdakit.builtin.samplers.uniform import UNIFORM
from fdakit.testing.building import build_part
from fdakit.testing.reading import check_sampler


def choose(times: Any, training: bool = False, seed: int = 0, **options: Any) -> list[int]:
    times = np.asarray(times, np.float64)
    sampler = build_part(UNIFORM, **options)
    return sampler(len(times), times, training, np.random.default_rng(seed)).tolist()


@pytest.mark.parametrize("by", ["time", "index"])
@pytest.mark.parametrize("pick", ["random", "centre"])
def test_the_contracts_laws_hold(by: str, pick: str) -> None:
    check_sampler(UNIFORM, by=by, train_pick=pick)


@pytest.mark.parametrize("rate", [8, 25, 30000 / 1001, 60])
@given(count=st.integers(1, 900), asked=st.integers(1, 40))
def test_evaluation_takes_the_exact_centres_at_a_constant_rate(rate: float, count: int, asked: int) -> None:
    found = choose(np.arange(count) / rate, eval_frames=asked)
    if count <= asked:
        assert found == list(range(count))
    else:
        assert found == [(2 * part + 1) * count // (2 * asked) for part in range(asked)]
        assert found == choose(np.arange(count) / rate, eval_frames=asked, by="index")


@given(count=st.integers(12, 300), seed=st.integers(0, 2**32))
def test_a_random_frame_is_shown_within_its_own_part(count: int, seed: int) -> None:
    times = np.arange(count) / 25
    found = choose(times, training=True, seed=seed, train_frames=6)
    length = count / 25 / 6
    for part, chosen in enumerate(found):
        assert chosen / 25 < (part + 1) * length + 1e-6
        assert (chosen + 1) / 25 > part * length - 1e-6


def test_random_frames_spread_over_their_whole_part() -> None:
    found = np.array([choose(np.arange(60) / 25, training=True, seed=k, train_frames=3) for k in range(300)])
    for part in range(3):
        assert set(found[:, part]) == set(range(20 * part, 20 * part + 20))


def test_training_draws_only_where_it_is_asked_to() -> None:
    times = np.arange(100) / 25
    for options, draws in (({}, True), ({"train_pick": "centre"}, False)):
        sampler = build_part(UNIFORM, **options)
        assert sampler.draws(True) is draws
        assert sampler.draws(False) is False
    centred = choose(times, training=True, train_frames=12, train_pick="centre")
    assert centred == choose(times, eval_frames=12)


def test_time_and_index_differ_where_the_rate_varies() -> None:
    times = np.concatenate([np.arange(10) * 0.01, 0.1 + np.arange(10) * 0.1])  # ten quick frames, ten slow ones
    assert choose(times, eval_frames=4, by="index") == [2, 7, 12, 17]
    # Shown until 1.1 s (the mean step is 1 / 19 more): centres at 0.13, 0.39, 0.66, 0.92 s.
    assert choose(times, eval_frames=4, by="time") == [10, 12, 15, 18]


@given(
    steps=st.lists(st.floats(0.001, 5), min_size=3, max_size=60),
    asked=st.integers(1, 20),
    training=st.booleans(),
    start=st.sampled_from([0.0, 7.3, 1000.0]),
)
def test_any_times_give_ascending_distinct_frames(
    steps: list[float], asked: int, training: bool, start: float
) -> None:
    times = start + np.cumsum([0.0, *steps])
    found = choose(times, training=training, train_frames=asked, eval_frames=asked)
    assert len(found) == min(asked, len(times))
    assert all(a < b for a, b in pairwise(found))
    assert found[0] >= 0
    assert found[-1] < len(times)


@pytest.mark.parametrize("by", ["time", "index"])
@pytest.mark.parametrize("start", [2.5, 600.0])
def test_a_segment_is_sampled_like_a_video_that_begins_there(by: str, start: float) -> None:
    times = np.arange(100) / 25
    assert choose(start + times, eval_frames=7, by=by) == choose(times, eval_frames=7, by=by)


def test_equal_times_and_single_frames_are_no_trouble() -> None:
    assert choose([0.0]) == [0]
    assert choose([0.0, 0.0, 0.0, 0.0], eval_frames=2) in ([0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3])
    assert choose(np.arange(12) / 8) == list(range(12))
    assert choose(np.arange(5) / 8) == list(range(5))
