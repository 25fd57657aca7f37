"""The learning rate: warm-up, and what follows it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from fdakit.settings import TrainSettings
from fdakit.training.optimisation.schedule import Schedule


def rates_of(steps: int, **train: Any) -> list[float]:
    schedule = Schedule(TrainSettings(**train), steps=steps)
    return [schedule(step) for step in range(steps)]


def test_the_rate_rises_then_falls_or_stays() -> None:
    def rates(schedule: str, warmup: float = 0.1) -> list[float]:
        return rates_of(40, warmup=warmup, schedule=schedule)

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
    found = rates_of(steps, warmup=warmup, schedule="constant")[: len(wanted)]
    assert found == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("warmup", [0.01, 0.05, 0.07, 0.1, 0.14, 0.15, 0.29, 0.3, 0.57])
def test_a_warm_up_has_as_many_steps_as_its_share_in_whole_numbers(warmup: float) -> None:
    hundredths = round(100 * warmup)
    for steps in range(1, 400):
        rising = sum(rate < 1.0 for rate in rates_of(steps, warmup=warmup, schedule="constant"))
        assert rising == -(-steps * hundredths // 100) - 1, steps  # the last step of the rise has the whole rate


def test_the_fall_starts_from_the_whole_rate_after_a_fraction_of_steps() -> None:
    falling = rates_of(7, warmup=0.3, schedule="cosine")[3:]
    assert falling == pytest.approx([1.0, 0.5 + math.sqrt(2) / 4, 0.5, 0.5 - math.sqrt(2) / 4])


def test_the_schedule_of_bert_adam_starts_at_0_and_falls_from_below_the_peak() -> None:
    found = rates_of(20, warmup=0.1, schedule="bert-cosine")
    assert found[:2] == [0.0, 0.5]
    assert found[2:] == pytest.approx([0.5 * (1 + math.cos(math.pi * step / 20)) for step in range(2, 20)])
    assert rates_of(4, warmup=0.0, schedule="bert-cosine")[0] == 1.0
    assert rates_of(4, warmup=1.0, schedule="bert-cosine") == [0.0, 0.25, 0.5, 0.75]


FALLING = ("cosine", "poly", "tanh", "constant-cooldown", "step")


@pytest.mark.parametrize("schedule", FALLING)
def test_every_schedule_warms_up_alike_and_never_rises_again(schedule: str) -> None:
    found = rates_of(50, warmup=0.1, schedule=schedule)
    assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert found[5] == pytest.approx(1.0, abs=1e-5)
    assert all(a >= b for a, b in pairwise(found[4:]))
    assert 0 <= found[-1] < 0.1
    assert found == rates_of(50, warmup=0.1, schedule=schedule)  # any step at any time, as after a resume
    again = Schedule(TrainSettings(warmup=0.1, schedule=schedule), steps=50)
    assert [again(step) for step in reversed(range(50))] == found[::-1]


def test_a_polynomial_is_a_power_of_what_is_left() -> None:
    for power in (1.0, 0.9, 2.0):
        found = rates_of(10, warmup=0.0, schedule="poly", schedule_power=power)
        assert found == pytest.approx([(1 - step / 10) ** power for step in range(10)])


def test_steps_drop_by_their_factor_after_each_share() -> None:
    found = rates_of(10, warmup=0.0, schedule="step", schedule_share=0.4, schedule_drop=0.5)
    assert found == pytest.approx([1.0] * 4 + [0.5] * 4 + [0.25] * 2)


def test_a_cooldown_falls_in_its_share_alone() -> None:
    found = rates_of(20, warmup=0.1, schedule="constant-cooldown", schedule_share=0.25)
    assert found[2:16] == [1.0] * 14
    assert found[15:] == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])
    assert rates_of(4, warmup=0.5, schedule="constant-cooldown", schedule_share=1.0) == pytest.approx(
        [0.5, 1.0, 1.0, 0.5]
    )


@pytest.mark.parametrize("schedule", FALLING)
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_few_steps_have_a_rate_too(schedule: str, steps: int) -> None:
    assert all(0 < rate <= 1 for rate in rates_of(steps, schedule=schedule))
