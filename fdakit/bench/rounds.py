"""Timing rivals against each other: interleaved rounds, so that a busy moment strikes all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

Rival = Callable[[], Any]


@dataclass(frozen=True)
class Timed:
    """One rival over all rounds: seconds `median`, `low` and `high` quartile; `ratio` to the first rival.

    The ratio is the median of the rounds' own ratios, each of two neighbours in time.
    """

    name: str
    median: float
    low: float
    high: float
    ratio: float


@dataclass(frozen=True)
class Rounds:
    """What was measured: `done` rounds of `asked`, fewer after Ctrl-C."""

    timed: tuple[Timed, ...]
    done: int
    asked: int


def time_rounds(
    rivals: Mapping[str, Rival],
    *,
    rounds: int,
    warmup: int = 2,
    finish: Callable[[], None] = lambda: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    clock: Callable[[], float] = lambda: time.perf_counter(),
) -> Rounds:
    """Run every rival once a round, `finish` waiting for the device; `clock` gives seconds.

    Each round begins with another rival, and each rival comes after each other one equally often: what runs before
    leaves its mark on caches and memory (a reader that ran after decord took half as long again). Ctrl-C after the
    first whole round ends early and keeps what was measured.
    """
    names = list(rivals)
    taken: list[dict[str, float]] = []
    try:
        for number in range(-warmup, rounds):
            seconds = {name: _time(rivals[name], finish, clock) for name in in_turn(names, number)}
            if number >= 0:
                taken.append(seconds)
                progress(number + 1, rounds)
    except KeyboardInterrupt:
        if not taken:
            raise
    return Rounds(tuple(summed(name, names[0], taken) for name in names), len(taken), rounds)


def in_turn(names: Sequence[str], number: int) -> list[str]:
    """Return the order of a round: a row of Williams' balanced Latin square (1949), some mirrored for odd counts."""
    count = len(names)
    zigzag = [(place + 1) // 2 if place % 2 else count - place // 2 for place in range(count)]
    order = [names[(step + number) % count] for step in zigzag]
    return order[::-1] if count % 2 and number // count % 2 else order


def _time(rival: Rival, finish: Callable[[], None], clock: Callable[[], float]) -> float:
    finish()
    start = clock()
    rival()
    finish()
    return clock() - start


def summed(name: str, first: str, taken: Sequence[Mapping[str, float]]) -> Timed:
    """Return what a rival took over the rounds, each given as seconds by rival; ratios are to `first`."""
    seconds = [one[name] for one in taken]
    low, _, high = quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else (seconds[0],) * 3
    return Timed(name, median(seconds), low, high, median(one[name] / one[first] for one in taken))
