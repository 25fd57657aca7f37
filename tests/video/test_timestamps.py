"""Times from stamps: exact where these are sound, continuous where a clock jumps or starts again."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fdakit.video.timestamps import NO_STAMP, read_timestamps

MS = Fraction(1, 1000)


def times(stamps: list[int], **also: object) -> list[float]:
    given_ = {"tick": MS, "rate": Fraction(25), **also}
    return read_timestamps(np.array(stamps, np.int64), **given_).times.tolist()  # type: ignore[arg-type]


def jumps(stamps: list[int], **also: object) -> tuple[int, ...]:
    given_ = {"tick": MS, "rate": Fraction(25), **also}
    return read_timestamps(np.array(stamps, np.int64), **given_).jumps  # type: ignore[arg-type]


def every(step: int, count: int, start: int = 0) -> list[int]:
    return [start + step * place for place in range(count)]


def test_sound_stamps_are_taken_as_they_are() -> None:
    assert times([330, 370, 570, 587]) == [0, 0.04, 0.24, 0.257]
    assert times([NO_STAMP] * 3) == [0, 0.04, 0.08]
    assert times([5, 6, 7], tick=None) == [0, 0.04, 0.08]


@pytest.mark.parametrize("hours", [1, 10, 26])
@pytest.mark.parametrize("broadcast", [False, True])
def test_a_jump_of_hours_is_an_ordinary_step(hours: int, broadcast: bool) -> None:
    stamps = every(40, 20) + every(40, 20, start=800 + hours * 3_600_000)
    assert jumps(stamps, broadcast=broadcast) == (20,)
    assert times(stamps, broadcast=broadcast) == times(every(40, 40))
    twice = stamps + every(40, 20, start=stamps[-1] + 36_000_000)
    assert times(twice, broadcast=broadcast) == times(every(40, 60))


def test_a_clip_that_pauses_for_longer_than_it_lasts_jumps_and_a_long_one_does_not() -> None:
    pause = every(40, 100) + every(40, 100, start=4_000 + 60_000)
    assert jumps(pause) == (100,)
    assert jumps(every(40, 5000) + every(40, 100, start=200_000 + 60_000)) == ()
    assert jumps(every(40, 5000) + every(40, 100, start=200_000 + 60_000), broadcast=True) == (5000,)
    assert jumps(every(15_000, 20)) == ()  # slides
    assert jumps(every(40, 100) + every(40, 10, start=4_000 + 9_000)) == ()


def test_time_that_starts_again_goes_on_by_an_ordinary_step() -> None:
    assert times(every(40, 20) * 2, restarts=True) == times(every(40, 40))
    assert times([*every(40, 5, start=36_000_000), *every(40, 5)], restarts=True) == times(every(40, 10))


def test_stamps_that_number_packets_as_they_stand_are_put_in_order() -> None:
    assert times([40, 80, 160, 120, 200], invented=True) == [0, 0.04, 0.08, 0.12, 0.16]


def test_missing_stamps_stand_an_ordinary_step_from_their_neighbours() -> None:
    assert times([NO_STAMP, 40, NO_STAMP, 120, NO_STAMP]) == [0, 0.04, 0.08, 0.12, 0.16]


@given(
    st.lists(
        st.one_of(st.integers(-(2**62), 2**62), st.integers(0, 5000), st.just(NO_STAMP)), min_size=1, max_size=40
    ),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_times_begin_at_nought_and_never_fall(stamps: list[int], invented: bool, restarts: bool, cast: bool) -> None:
    found = times(stamps, invented=invented, restarts=restarts, broadcast=cast)
    assert len(found) == len(stamps)
    assert found[0] == 0
    assert (np.diff(found) >= 0).all()


def test_frames_without_stamps_stand_an_ordinary_step_after_those_before() -> None:
    stamps = [0, NO_STAMP, NO_STAMP, 3, NO_STAMP]
    for rate, tick in ((25, 25), (25, 1000), (30, 90_000)):
        step = round(tick / rate)
        known = [NO_STAMP if stamp == NO_STAMP else stamp * step for stamp in stamps]
        found = read_timestamps(np.array(known, np.int64), tick=Fraction(1, tick), rate=Fraction(rate))
        np.testing.assert_allclose(found.times, np.arange(5) / rate, atol=1e-9)
