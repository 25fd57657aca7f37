"""What a training's pace counts: clips, and seconds with and without those of waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fdakit.training.progress.pace import Pace


class Loaded:
    """A batch, of which only the ids are counted."""

    def __init__(self, count: int) -> None:
        self.whole = SimpleNamespace(ids=("clip",) * count)


def loader(*waits: float) -> Iterator[Any]:
    for wait in waits:
        time.sleep(wait)
        yield Loaded(3)


def test_waiting_is_told_apart_from_steps_and_the_time_between_epochs_is_left_out() -> None:
    pace, started = Pace(), time.perf_counter()
    for waits in ((0.02, 0.02), (0.02,)):
        for _ in pace.counted(loader(*waits)):
            time.sleep(0.03)
        time.sleep(0.05)  # a validation
    assert pace.clips == 9
    assert pace.waited >= 0.06
    assert pace.waited + 0.09 <= pace.seconds
    assert pace.seconds + 0.1 <= time.perf_counter() - started


def test_the_epoch_under_way_counts_and_one_that_was_left_stands_still() -> None:
    pace = Pace()
    for _ in pace.counted(loader(0.0, 0.0)):
        time.sleep(0.01)
        assert pace.seconds >= 0.01
        break
    left = pace.seconds
    time.sleep(0.01)
    assert pace.seconds == pytest.approx(left)
    assert pace.clips == 3
