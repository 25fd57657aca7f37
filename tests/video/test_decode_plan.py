"""Plans: which packets are decoded for which frames."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given, strategies as st

from fdakit.video.decode_plan import plan_runs
from fdakit.video.timeline import PacketIndex, Timeline, build_timeline


def timeline(stamps: list[int], keys: list[int], hidden: tuple[int, ...] = ()) -> Timeline:
    places = range(len(stamps))
    return build_timeline(
        PacketIndex(
            np.array(stamps, np.int64),
            np.array([place in keys for place in places]),
            np.array([place in hidden for place in places]),
            Fraction(1, 25),
            Fraction(25),
        )
    )


def runs(line: Timeline, positions: list[int]) -> list[tuple[int, int, list[int]]]:
    return [(run.first, run.last, sorted(run.wanted)) for run in plan_runs(line, positions)]


def test_a_run_begins_at_the_keyframe_before_and_goes_on_while_that_saves_nothing() -> None:
    line = timeline(list(range(30)), [0, 10, 20])
    assert runs(line, [3]) == [(0, 3, [3])]
    assert runs(line, [3, 7]) == [(0, 7, [3, 7])]
    assert runs(line, [9, 10]) == [(0, 10, [9, 10])]  # nothing lies between
    assert runs(line, [3, 12, 25]) == [(0, 3, [3]), (10, 12, [12]), (20, 25, [25])]


def test_frames_that_lead_a_keyframe_may_need_the_one_before() -> None:
    line = timeline([0, 3, 1, 2, 6, 4, 5], [0, 4])  # 4 and 5 are shown before the keyframe 6 that is decoded first
    assert runs(line, [4]) == [(0, 5, [5])]
    assert runs(line, [6]) == [(4, 4, [4])]


def test_without_an_entry_everything_is_decoded() -> None:
    assert runs(timeline(list(range(6)), []), [4]) == [(0, 4, [4])]


def test_packets_that_are_never_shown_are_still_decoded() -> None:
    line = timeline([-2, -1, 0, 1, 2], [0], hidden=(0, 1))
    assert line.times.tolist() == [0, 0.04, 0.08]
    assert runs(line, [1]) == [(0, 3, [3])]


@given(
    st.integers(1, 60).flatmap(
        lambda n: st.tuples(
            st.permutations(range(n)),
            st.sets(st.integers(0, n - 1)),
            st.sets(st.integers(0, n - 1), min_size=1, max_size=12),
        )
    )
)
def test_every_wanted_packet_is_in_one_run_that_begins_where_decoding_can(
    drawn: tuple[list[int], set[int], set[int]],
) -> None:
    stamps, keys, positions = drawn
    line = timeline(stamps, sorted(keys | {0}))
    found = plan_runs(line, sorted(positions))
    wanted = sorted(packet for run in found for packet in run.wanted)
    assert wanted == sorted(line.packets[sorted(positions)].tolist())
    for run in found:
        assert run.first == 0 or run.first in keys
        assert run.first <= min(run.wanted)
        assert run.last == max(run.wanted)
        for packet in run.wanted:  # a keyframe that is shown later than the frame does not serve it
            serving = [k for k in keys | {0} if run.first <= k <= packet and (k == 0 or stamps[k] <= stamps[packet])]
            assert serving
    assert all(before.last < after.first for before, after in pairwise(found))


def test_a_clock_is_torn_where_any_of_its_jumps_cannot_be_begun_at() -> None:
    line = timeline([0, 2, 1, 3, 5, 4], keys=[0, 3])
    at_key, within, nowhere = (replace(line, jumps=jumps) for jumps in ((3,), (3, 5), ()))
    assert not at_key.torn
    assert within.torn
    assert not nowhere.torn
    assert replace(line, jumps=(2,)).torn  # a packet before it is shown behind it
    in_order = timeline([0, 1, 2, 3], keys=[0])
    assert not replace(in_order, jumps=(2,)).torn
