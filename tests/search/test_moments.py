"""Moments: hits that belong together are one, no two of a video overlap, and the best come first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from fdakit.search.moments import Hit, Moment, find_moments, joining_score


def ranges(*hits: tuple[float, float, float]) -> list[tuple[float, float, float]]:
    """Start, end and score of the moments of one video."""
    found = find_moments([Hit("a", *hit) for hit in hits])
    return [(moment.start, moment.end, moment.score) for moment in found]


def test_hits_nearly_as_good_as_the_peak_join_it() -> None:
    assert ranges((0, 10, 0.31), (5, 15, 0.35), (10, 20, 0.33), (40, 50, 0.30)) == [(5, 20, 0.35), (40, 50, 0.30)]


def test_a_weaker_one_that_overlaps_is_dropped_and_one_that_touches_is_its_own() -> None:
    assert ranges((0, 10, 0.3), (5, 15, 0.2), (10, 20, 0.2)) == [(0, 10, 0.3), (10, 20, 0.2)]


def test_a_hit_between_two_moments_makes_them_one() -> None:
    assert ranges((0, 10, 0.31), (12, 22, 0.30), (8, 18, 0.29)) == [(0, 22, 0.31)]


def test_a_hit_that_would_join_the_weaker_of_two_and_overlaps_the_stronger_is_dropped() -> None:
    assert ranges((0, 10, 0.5), (12, 22, 0.30), (8, 18, 0.29)) == [(0, 10, 0.5), (12, 22, 0.30)]


@pytest.mark.parametrize(("peak", "least"), [(0.3, 0.27), (-0.3, -0.33), (0.0, 0.0), (20.0, 18.0)])
def test_a_tenth_of_the_peak_lies_below_it_whatever_its_sign(peak: float, least: float) -> None:
    assert joining_score(peak) == pytest.approx(least)
    assert ranges((0, 10, peak), (5, 15, joining_score(peak))) == [(0, 15, peak)]
    assert ranges((0, 10, peak), (5, 15, joining_score(peak) - 1e-6)) == [(0, 10, peak)]


def test_videos_do_not_mix() -> None:
    found = find_moments([Hit("a", 0, 10, 0.30), Hit("b", 0, 10, 0.31), Hit("a", 5, 15, 0.29)])
    assert [(moment.video, moment.end, len(moment.hits)) for moment in found] == [("b", 10, 1), ("a", 15, 2)]


HITS = st.lists(
    st.builds(
        lambda video, place, length, score, row: Hit(video, place, place + length, score / 20, row),
        st.sampled_from("ab"),
        st.integers(0, 40),
        st.integers(1, 12),
        st.integers(-10, 20),
        st.integers(0, 5),
    ),
    max_size=25,
)


def overlapping(one: Moment, other: Moment) -> bool:
    return one.video == other.video and one.start < other.end and other.start < one.end


@given(HITS)
def test_no_two_moments_of_a_video_overlap_and_the_best_come_first(hits: list[Hit]) -> None:
    moments = find_moments(hits)
    scores = [moment.score for moment in moments]
    assert scores == sorted(scores, reverse=True)
    pairs = [(one, other) for place, one in enumerate(moments) for other in moments[:place]]
    assert not any(overlapping(one, other) for one, other in pairs)


@given(HITS)
def test_a_moment_is_what_its_hits_cover_without_a_gap(hits: list[Hit]) -> None:
    for moment in find_moments(hits):
        inside = sorted(moment.hits, key=lambda hit: hit.start)
        reached = inside[0].end
        for hit in inside[1:]:
            assert hit.start <= reached
            reached = max(reached, hit.end)
        assert (moment.start, moment.end) == (inside[0].start, reached)
        assert all(moment.score >= hit.score >= joining_score(moment.score) for hit in inside)


@given(HITS)
def test_every_hit_is_in_one_moment_or_overlaps_one_that_it_cannot_join(hits: list[Hit]) -> None:
    moments = find_moments(hits)
    used = [hit for moment in moments for hit in moment.hits]
    left = list(hits)
    for hit in used:
        left.remove(hit)  # each only once
    for hit in left:
        assert any(
            overlapping(moment, Moment(hit.video, hit.start, hit.end, (hit,))) and hit.score < moment.score
            for moment in moments
        )


@given(HITS, st.randoms(use_true_random=False))
def test_the_order_of_hits_makes_no_difference(hits: list[Hit], random: object) -> None:
    shuffled = list(hits)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert find_moments(shuffled) == find_moments(hits)


@given(HITS, st.sampled_from([0.25, 2.0, 8.0]))
def test_the_scale_of_scores_makes_no_difference(hits: list[Hit], scale: float) -> None:
    scaled = [replace(hit, score=hit.score * scale) for hit in hits]
    assert [(m.video, m.start, m.end) for m in find_moments(scaled)] == [
        (m.video, m.start, m.end) for m in find_moments(hits)
    ]


@given(HITS.filter(bool), st.integers(1, 5))
def test_the_best_moments_need_no_hit_that_could_not_join_the_last_of_them(hits: list[Hit], count: int) -> None:
    best = find_moments(hits)[:count]
    bound = joining_score(best[-1].score)
    assert find_moments([hit for hit in hits if hit.score >= bound])[:count] == best
