"""What an epoch holds and how the rate goes: the plans of a training."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from fdakit.training.batching import epoch_batches
from fdakit.training.schedule import lr_factor

Pairs = list[tuple[int, str]]


def pairs_of(counts: list[int]) -> Pairs:
    """Video k with `counts[k]` captions."""
    return [(video, f"{video}/{place}") for video, count in enumerate(counts) for place in range(count)]


drawn_pairs = st.lists(st.integers(1, 8), min_size=1, max_size=12).map(pairs_of)


@given(drawn_pairs, st.integers(1, 9), st.integers(0, 99), st.integers(0, 9))
def test_an_epoch_has_equal_batches_of_distinct_videos_and_no_pair_twice(
    pairs: Pairs, size: int, seed: int, epoch: int
) -> None:
    plan = epoch_batches(pairs, batch_size=size, seed=seed, epoch=epoch)
    assert plan
    for batch in plan:
        assert len(batch) == min(size, len({video for video, _ in pairs}))
        assert len({draw.video for draw in batch}) == len(batch)
        assert {draw.epoch for draw in batch} == {epoch}
    used = Counter((draw.video, draw.text) for batch in plan for draw in batch)
    assert used <= Counter(pairs)


@given(drawn_pairs, st.integers(1, 9))
def test_what_an_epoch_leaves_over_would_fill_no_batch(pairs: Pairs, size: int) -> None:
    plan = epoch_batches(pairs, batch_size=size, seed=0, epoch=0)
    left = Counter(pairs) - Counter((draw.video, draw.text) for batch in plan for draw in batch)
    assert len({video for video, _ in left}) < min(size, len({video for video, _ in pairs}))


def test_an_epoch_is_keyed_by_seed_and_number() -> None:
    pairs = pairs_of([3] * 20)
    plans = {
        (seed, epoch): epoch_batches(pairs, batch_size=4, seed=seed, epoch=epoch)
        for seed in (1, 2)
        for epoch in (0, 1)
    }
    assert plans[1, 0] == epoch_batches(pairs, batch_size=4, seed=1, epoch=0)
    texts = {key: [draw.text for batch in plan for draw in batch] for key, plan in plans.items()}
    assert len({tuple(found) for found in texts.values()}) == 4


def test_every_pair_has_its_turn_over_the_epochs() -> None:
    pairs = pairs_of([5, 1, 1, 2])
    plans = [epoch_batches(pairs, batch_size=3, seed=0, epoch=epoch) for epoch in range(60)]
    assert {(d.video, d.text) for plan in plans for batch in plan for d in batch} == set(pairs)


def test_the_rate_rises_then_falls_or_stays() -> None:
    def rates(schedule: str, warmup: float = 0.1) -> list[float]:
        return [lr_factor(step, 40, warmup=warmup, schedule=schedule) for step in range(40)]

    assert rates("cosine")[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates("constant")[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates("constant")[4:] == [1.0] * 36
    assert rates("cosine")[22] == pytest.approx(0.5)
    assert rates("cosine")[39] == pytest.approx(0.5 * (1 + math.cos(math.pi * 35 / 36)))
    assert all(a > b for a, b in pairwise(rates("cosine")[4:]))
    assert rates("cosine", warmup=0.0)[0] == 1.0
    assert rates("constant", warmup=0.0) == [1.0] * 40
    assert all(a < b for a, b in pairwise(rates("cosine", warmup=1.0)))


@pytest.mark.parametrize(
    ("steps", "warmup", "wanted"),
    [
        (16, 0.1, [1 / 2, 1.0, 1.0, 1.0]),  # 1.6 steps: every part of one is a whole one
        (25, 0.1, [1 / 3, 2 / 3, 1.0, 1.0]),
        (3, 0.1, [1.0, 1.0, 1.0]),
        (3, 0.4, [1 / 2, 1.0, 1.0]),
        (3, 0.9, [1 / 3, 2 / 3, 1.0]),
        (7, 0.3, [1 / 3, 2 / 3, 1.0, 1.0]),
        (100, 0.07, [1 / 7, 2 / 7, 3 / 7, 4 / 7, 5 / 7, 6 / 7, 1.0, 1.0]),
        (1, 1.0, [1.0]),
    ],
)
def test_a_warm_up_of_a_fraction_of_steps_ends_after_the_next_whole_one(
    steps: int, warmup: float, wanted: list[float]
) -> None:
    found = [lr_factor(step, steps, warmup=warmup, schedule="constant") for step in range(len(wanted))]
    assert found == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("warmup", [0.01, 0.05, 0.07, 0.1, 0.14, 0.15, 0.29, 0.3, 0.57])
def test_a_warm_up_has_as_many_steps_as_its_share_in_whole_numbers(warmup: float) -> None:
    hundredths = round(100 * warmup)
    for steps in range(1, 400):
        rising = sum(lr_factor(step, steps, warmup=warmup, schedule="constant") < 1.0 for step in range(steps))
        assert rising == -(-steps * hundredths // 100) - 1, steps  # the last step of the rise has the whole rate


def test_the_fall_starts_from_the_whole_rate_after_a_fraction_of_steps() -> None:
    falling = [lr_factor(step, 7, warmup=0.3, schedule="cosine") for step in range(3, 7)]
    assert falling == pytest.approx([1.0, 0.5 + math.sqrt(2) / 4, 0.5, 0.5 - math.sqrt(2) / 4])


def test_videos_that_show_the_same_never_meet_in_a_batch() -> None:
    pairs = [(video, f"{video} {k}") for video in range(6) for k in range(3)]
    shown = [0, 1, 0, 3, 3, 3]  # 0 = 2 and 3 = 4 = 5
    for epoch in range(5):
        plan = epoch_batches(pairs, batch_size=4, seed=1, epoch=epoch, shown=shown)
        assert plan
        for batch in plan:
            footage = [shown[draw.video] for draw in batch]
            assert len(set(footage)) == len(footage) == 3
    plain = epoch_batches(pairs, batch_size=4, seed=1, epoch=0)
    assert plain == epoch_batches(pairs, batch_size=4, seed=1, epoch=0, shown=range(6))
