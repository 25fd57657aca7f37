"""Windows and shots: they cover the video in order, and none is longer or shorter than was said."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from fdakit.search.segment_rules import shot_windows, shots, windows


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (0.0, [(0, 0)]),
        (4.0, [(0, 4)]),
        (10.04, [(0, 10.04)]),
        (10.6, [(0, 10), (5, 10.6)]),
        (23.0, [(0, 10), (5, 15), (10, 20), (15, 23)]),
        (25.0, [(0, 10), (5, 15), (10, 20), (15, 25)]),
    ],
)
def test_windows_of_ten_seconds_every_five(duration: float, expected: list[tuple[float, float]]) -> None:
    assert windows(duration) == expected


def test_an_hour_has_719() -> None:
    assert len(windows(3600.0)) == 719


@pytest.mark.parametrize(("duration", "last"), [(20.4, (10, 20.4)), (21.0, (16, 21)), (27.0, (20, 27))])
def test_without_overlap_no_sliver_is_left_at_the_end(duration: float, last: tuple[float, float]) -> None:
    assert windows(duration, window=10, step=10)[-1] == last


@pytest.mark.parametrize("window, step, duration", [(0, 5, 9), (5, 0, 9), (5, 5, -1), (float("nan"), 5, 9)])
def test_impossible_windows_are_refused(window: float, step: float, duration: float) -> None:
    with pytest.raises(ValueError, match="give positive numbers"):
        windows(duration, window=window, step=step)


SECONDS = st.floats(0.1, 30)


@given(st.floats(0, 500), SECONDS, SECONDS)
def test_laws_of_windows(duration: float, window: float, step: float) -> None:
    found = windows(duration, window=window, step=step)
    assert found[0][0] == 0
    assert found[-1][1] == duration
    assert all(end - start == pytest.approx(window) for start, end in found[:-1])
    assert min(window / 2, duration) - 1e-9 <= found[-1][1] - found[-1][0] <= 1.05 * window + 1e-9
    assert all(0 < after[0] - before[0] <= step + 1e-9 for before, after in pairwise(found))
    assert all(before[1] < after[1] for before, after in pairwise(found))


@pytest.mark.parametrize(
    ("cuts", "expected"),
    [
        ([], [(0, 20)]),
        ([7.0], [(0, 7), (7, 20)]),
        ([0.4, 7.0, 7.5, 12.0], [(0, 7), (7, 12), (12, 20)]),
        ([7.0, 19.5], [(0, 7), (7, 20)]),
        ([-3.0, 0.0, 20.0, 25.0], [(0, 20)]),
    ],
)
def test_shots_of_less_than_a_second_are_joined(cuts: list[float], expected: list[tuple[float, float]]) -> None:
    assert shots(20.0, cuts) == expected


CUTS = st.lists(st.floats(-5, 130), max_size=40)


@given(st.floats(0, 120), CUTS, st.floats(0, 5))
def test_laws_of_shots(duration: float, cuts: list[float], shortest: float) -> None:
    found = shots(duration, cuts, shortest)
    assert (found[0][0], found[-1][1]) == (0, duration)
    assert all(before[1] == after[0] and after[0] in cuts for before, after in pairwise(found))
    assert all(end - start >= min(shortest, duration) - 1e-9 for start, end in found)


@given(st.floats(1, 120), CUTS, SECONDS, SECONDS)
def test_no_window_extends_over_a_shot_and_each_shot_has_its_own(
    duration: float, cuts: list[float], window: float, step: float
) -> None:
    found, scenes = shot_windows(duration, cuts, window, step), shots(duration, cuts)
    for start, end in scenes:
        inside = [one for one in found if start <= one[0] < end]
        assert (inside[0][0], inside[-1][1]) == (start, end)
        assert [length for _, length in windows(end - start, window, step)] == pytest.approx(
            [last - start for _, last in inside]
        )
    assert len(found) == sum(len(windows(end - start, window, step)) for start, end in scenes)
