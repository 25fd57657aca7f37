"""What is divided by what: ratios of readers that fail here and there, short clips apart."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given, strategies as st

from fdakit.bench.ratios import OURS, SHORT, quotients, summarise

CLIPS = [
    {OURS: 0.100, "a": 0.200, "b": 0.150, "slow": 1.0},
    {OURS: 0.300, "a": 0.330, "b": 0.600, "slow": 0.1},
    {OURS: 0.010, "a": 0.005, "b": 0.040, "slow": 0.5},
]


def test_each_peers_ratios_are_its_seconds_by_ours() -> None:
    found = summarise(CLIPS, rivals=["a", "b"], slow=["slow"])
    assert found["peers"]["a"] == {
        "clips": 3,
        "total_ratio": pytest.approx(0.535 / 0.410),
        "median_ratio": pytest.approx(1.1),
        "minimum_ratio": pytest.approx(0.5),
    }
    assert found["peers"]["slow"]["total_ratio"] == pytest.approx(1.6 / 0.41)


def test_the_fastest_peer_is_one_in_total_and_another_clip_by_clip() -> None:
    found = summarise(CLIPS, rivals=["a", "b"], slow=["slow"])
    assert found["fastest_peer_in_total"] == "a"
    assert found["total_ratio_to_fastest_peer"] == found["peers"]["a"]["total_ratio"]
    assert found["median_ratio_to_fastest_peer"] == pytest.approx(1.1)  # of 1.5, 1.1 and 0.5
    assert found["minimum_ratio_to_fastest_peer"] == pytest.approx(0.5)  # the slow peer's 0.33 does not count


def test_short_clips_stand_apart() -> None:
    found = summarise(CLIPS, rivals=["a", "b"], slow=["slow"])
    assert found["clips"] == 3
    assert (found["short_clips"]["clips"], found["longer_clips"]["clips"]) == (1, 2)
    assert found["short_clips"]["total_ratio_to_fastest_peer"] == pytest.approx(0.5)
    assert found["longer_clips"]["minimum_ratio_to_fastest_peer"] == pytest.approx(1.1)


def test_a_clip_that_a_reader_could_not_read_is_left_out_of_its_ratios_alone() -> None:
    found = summarise([{OURS: 1.0, "a": 2.0, "b": 8.0}, {OURS: 3.0, "b": 3.0}, {"a": 9.0}], rivals=["a", "b"])
    assert found["clips"] == 2
    assert found["peers"]["a"]["total_ratio"] == 2  # the second clip neither in its sum nor in ours
    assert found["peers"]["b"]["total_ratio"] == 11 / 4
    # b's total of 11 s is larger because it read more; on its own clips a is the slower of the two on none.
    assert found["fastest_peer_in_total"] == "a"
    assert found["minimum_ratio_to_fastest_peer"] == 1


def test_without_peers_there_are_no_ratios() -> None:
    found = summarise([{OURS: 1.0}], rivals=[])
    keys = ("fastest_peer_in_total", "total_ratio_to_fastest_peer", "median_ratio_to_fastest_peer")
    assert [found[key] for key in keys] == [None, None, None]
    assert quotients([], over="a") == {"clips": 0, "total_ratio": None, "median_ratio": None, "minimum_ratio": None}


TIMES = st.floats(1e-4, 10)


@given(st.lists(st.fixed_dictionaries({OURS: TIMES}, optional={"a": TIMES, "b": TIMES}), max_size=6))
def test_laws(clips: list[dict[str, float]]) -> None:
    found = summarise(clips, rivals=["a", "b"])
    ratios = [min(clip[n] for n in "ab" if n in clip) / clip[OURS] for clip in clips if {"a", "b"} & set(clip)]
    if ratios:
        assert found["median_ratio_to_fastest_peer"] == pytest.approx(median(ratios))
        assert found["minimum_ratio_to_fastest_peer"] == pytest.approx(min(ratios))
        totals = [peer["total_ratio"] for peer in found["peers"].values() if peer["clips"]]
        assert found["total_ratio_to_fastest_peer"] == min(totals)
    assert found["short_clips"]["clips"] + found["longer_clips"]["clips"] == found["clips"] == len(clips)
    assert found["short_clips"]["clips"] == sum(min(clip.values()) < SHORT for clip in clips)
