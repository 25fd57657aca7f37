"""The seconds of an epoch go on over a resume, and its end is known by its steps."""

from __future__ import annotations

import pytest

from fdakit.training.progress.epoch_course import EpochCourse


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be changed."""
    now = [100.0]
    monkeypatch.setattr("fdakit.training.progress.epoch_course.time.perf_counter", lambda: now[0])
    return now


def test_a_resumed_epoch_has_the_seconds_of_before_too(now: list[float]) -> None:
    first, resumed = EpochCourse(), EpochCourse()
    assert first.seconds == 0
    first.begin()
    now[0] += 7
    saved = first.seconds
    now[0] += 1000  # the process is gone
    resumed.restore(saved)
    resumed.begin()
    now[0] += 5
    assert (saved, resumed.close()) == (7, 12)
    now[0] += 1
    assert resumed.seconds == 0  # between two epochs
    resumed.begin()
    now[0] += 2
    assert resumed.close() == 2


def test_an_epoch_ends_with_its_last_step() -> None:
    course = EpochCourse()
    assert not course.at_end(0)
    course.begin()
    course.plan(2)
    assert [course.at_end(step) for step in (0, 1, 2)] == [False, False, True]
    course.close()
    assert not course.at_end(2)
