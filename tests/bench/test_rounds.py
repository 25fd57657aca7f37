"""Interleaved rounds: who runs when, what is summed up, and what Ctrl-C leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from fdakit.bench import rounds as module
from fdakit.bench.rounds import in_turn, time_rounds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only moves when a rival moves it."""
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def taking(clock: list[float], *seconds: float) -> Callable[[], None]:
    """A rival that takes these times in turn, warm-up included, then the last for ever."""
    left = list(seconds)

    def run() -> None:
        clock[0] += left.pop(0) if len(left) > 1 else left[0]

    return run


def test_medians_quartiles_and_the_ratio_of_neighbours(clock: list[float]) -> None:
    found = time_rounds(
        {"plain": taking(clock, 9, 9, 1, 2, 3, 4, 100), "ours": taking(clock, 9, 9, 2, 4, 6, 8, 50)}, rounds=5
    )
    plain, ours = found.timed
    assert (plain.name, plain.median, plain.low, plain.high, plain.ratio) == ("plain", 3, 2, 4, 1)
    assert (ours.name, ours.median, ours.low, ours.high) == ("ours", 6, 4, 8)
    assert ours.ratio == 2  # of the ratios 2, 2, 2, 2, 0.5
    assert (found.done, found.asked) == (5, 5)


def test_every_round_begins_with_another_rival_and_has_all_of_them() -> None:
    order: list[str] = []
    rivals = {name: (lambda name=name: order.append(name)) for name in "abc"}
    told: list[tuple[int, int]] = []
    time_rounds(rivals, rounds=3, warmup=1, progress=lambda done, total: told.append((done, total)))
    turns = [order[at : at + 3] for at in range(0, len(order), 3)]
    assert len(turns) == 4
    assert all(sorted(turn) == ["a", "b", "c"] for turn in turns)
    assert sorted(turn[0] for turn in turns[1:]) == ["a", "b", "c"]
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_each_rival_comes_after_each_other_one_equally_often(count: int) -> None:
    names = "abcdef"[:count]
    rounds = [in_turn(names, number) for number in range(-2 * count, 2 * count)]
    assert all(sorted(order) == sorted(names) for order in rounds)
    after = Counter(pair for order in rounds for pair in pairwise(order))
    assert set(after.values()) <= {4}
    assert len(after) == count * (count - 1)


def test_the_device_is_waited_for_on_both_sides_of_a_rival() -> None:
    order: list[str] = []
    time_rounds({"a": lambda: order.append("a")}, rounds=1, warmup=0, finish=lambda: order.append("wait"))
    assert order == ["wait", "a", "wait"]


def stopping(clock: list[float], after: int) -> Callable[[], None]:
    calls = [0]

    def run() -> None:
        calls[0] += 1
        if calls[0] > after:
            raise KeyboardInterrupt
        clock[0] += 1

    return run


def test_ctrl_c_keeps_the_rounds_that_were_whole(clock: list[float]) -> None:
    found = time_rounds({"a": taking(clock, 2), "b": stopping(clock, 5)}, rounds=10, warmup=2)
    assert (found.done, found.asked) == (3, 10)
    assert [timed.median for timed in found.timed] == [2, 1]


def test_ctrl_c_before_the_first_round_is_ctrl_c(clock: list[float]) -> None:
    with pytest.raises(KeyboardInterrupt):
        time_rounds({"a": stopping(clock, 2)}, rounds=10, warmup=2)
