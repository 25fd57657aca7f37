"""Repeated frames: told from slow motion and from stills, stepped over by neighbours, whatever else is asked for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from helpers.sample_videos import encode, numbered, numbers
from hypothesis import given, strategies as st

from fdakit.plugin import Needs, VideoRef, keyed_rng
from fdakit.video import read_frames, step_over_repeats
from fdakit.video.repeated_frames import REACH, before_each, first_other, luma_miniature, repeats, shown_first

SHOWN = [place * 5 // 6 for place in range(36)]  # 25 pictures a second shown as 30: every sixth frame repeats
LOSSY = {"crf": "26", "bf": "2", "g": "250"}


def drifting(count, *, step=3, height=96, width=128):
    """A coarse texture `(count, h, w, 3)` that moves `step` px to the right with each frame, smooth within cells."""
    cells = keyed_rng(1, "cloth").uniform(40, 215, (height // 8 + 1, (width + count * step) // 8 + 1))
    cloth = np.kron(cells, np.ones((8, 8)))[:height]
    return (
        np.stack([cloth[:, step * n : step * n + width] for n in range(count)])[..., None].repeat(3, 3).astype("u1")
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    return VideoRef("a", encode(tmp_path_factory.mktemp("repeats") / "a.mp4", numbered(30)[SHOWN]))


def neighbours(video, indices, gaps, **asked):
    return read_frames(video, indices=np.array(indices), needs=Needs(neighbours=gaps), **asked).neighbours


def test_neighbours_step_over_a_picture_shown_again(shown):
    inner = list(range(8, 28))
    pictures = [SHOWN[place] for place in inner]
    near = neighbours(shown, inner, (-1, 1, 2, -3))
    assert any(SHOWN[place] == SHOWN[place + 1] for place in inner)
    assert numbers(near[-1]) == [picture - 1 for picture in pictures]
    assert numbers(near[1]) == [picture + 1 for picture in pictures]
    assert numbers(near[2]) == [SHOWN[place + 2] for place in inner]  # another picture stands there anyway
    assert numbers(near[-3]) == [SHOWN[place - 3] for place in inner]


@pytest.mark.parametrize("times", [2, 3, 4, 6])
def test_pictures_shown_several_times_are_stepped_over(tmp_path, times):
    path = encode(tmp_path / "a.mp4", numbered(12).repeat(times, axis=0))
    inner = list(range(5 * times, 7 * times))
    near = neighbours(VideoRef("a", path), inner, (-1, 1))
    assert numbers(near[-1]) == [place // times - 1 for place in inner]
    assert numbers(near[1]) == [place // times + 1 for place in inner]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("a.mp4", "libx264", LOSSY), ("a.avi", "mpeg4", {"b": "600k"}), ("a.mpg", "mpeg2video", {"b": "1500k"})],
)
def test_repeats_that_an_encoder_changed_are_known(tmp_path, name, codec, options):
    pictures = drifting(30)
    video = VideoRef("a", encode(tmp_path / name, pictures[SHOWN], codec=codec, options=options))
    inner = [place for place in range(8, 28) if SHOWN[place] in (SHOWN[place - 1], SHOWN[place + 1])]
    clip = read_frames(video, indices=np.array(inner), needs=Needs(neighbours=(-1, 1)))
    for gap, near in clip.neighbours.items():
        for place, frame in zip(inner, near, strict=True):
            away = np.abs(pictures.astype(float) - frame).mean((1, 2, 3))
            assert away.argmin() == SHOWN[place] + gap


def test_neighbours_do_not_depend_on_what_else_is_asked_for(shown):
    everywhere = list(range(36))
    together = neighbours(shown, everywhere, (-2, -1, 1, 4))
    for gap in together:
        for place in (0, 4, 5, 6, 17, 18, 35):
            alone = neighbours(shown, [place], (gap,))[gap]
            assert np.array_equal(alone[0], together[gap][place]), (gap, place)
    whole = neighbours(shown, everywhere, (-1, 1), sparse=False)
    assert all(np.array_equal(whole[gap], together[gap]) for gap in whole)
    small = neighbours(shown, everywhere, (-1, 1), size=(12, 16))
    assert all(numbers(small[gap]) == numbers(together[gap]) for gap in small)


def test_luma_and_segments_follow_the_neighbours(shown):
    clip = read_frames(
        VideoRef("a", shown.path, 0.4, 0.8), indices=np.arange(10), needs=Needs(neighbours=(1,), luma=True)
    )
    levels = clip.luma[1].mean((1, 2))
    assert np.abs(levels - clip.neighbours[1].mean((1, 2, 3))).max() <= 1
    assert numbers(clip.neighbours[1]) == [picture + 1 for picture in SHOWN[10:20]]


def test_what_moves_slowly_or_rests_keeps_its_neighbours(tmp_path):
    slow = (drifting(20, step=1) / 12 + 90).astype(np.uint8)
    for name, pictures in (("slow.mkv", slow), ("still.mkv", slow[:1].repeat(20, axis=0))):
        path = encode(tmp_path / name, pictures, codec="ffv1", options={})
        video = VideoRef("a", path)
        every = read_frames(video, indices=np.arange(20)).frames
        near = neighbours(video, range(6, 14), (-1, 1))
        assert np.array_equal(near[-1], every[5:13])
        assert np.array_equal(near[1], every[7:15])


def test_a_long_still_is_no_repeat(tmp_path):
    held = [*range(5), *[5] * (REACH + 8), *range(6, 12)]
    video = VideoRef("a", encode(tmp_path / "a.mp4", numbered(12)[held]))
    assert numbers(neighbours(video, [6], (1,))[1]) == [5]
    last = 5 + REACH + 7
    assert numbers(neighbours(video, [last - REACH], (1,))[1]) == [6]  # within reach
    assert numbers(neighbours(video, [last - REACH - 1], (1,))[1]) == [5]


def test_what_repeats_longer_than_is_looked_for_is_a_still(tmp_path):
    video = VideoRef("a", encode(tmp_path / "a.mp4", numbered(6).repeat(7, axis=0)))
    assert numbers(neighbours(video, [14, 15], (1,))[1]) == [2, 3]  # of seven, the first has too far to go


def test_six_frames_before_each_tell_whether_it_is_a_repeat():
    assert before_each([3]) == {0, 1, 2}
    assert before_each([6, 20]) == {0, 1, 2, 3, 4, 5, *range(14, 20)}
    assert before_each([0]) == set()


def test_damage_beyond_what_is_asked_for_is_no_fault(tmp_path):
    path = encode(tmp_path / "a.mkv", numbered(3).repeat(8, axis=0), codec="mjpeg", options={})
    content = bytearray(path.read_bytes())
    start = content.rindex(b"\xff\xd8\xff")  # the last picture, which only the search reaches for
    content[start : start + 200] = bytes(200)
    path.write_bytes(content)
    near = neighbours(VideoRef("a", path), [20], (1,))
    assert numbers(near[1]) == [2]


def test_vectors_of_a_repeat_are_those_of_the_frame_that_showed_it_first(tmp_path):
    options = {"bf": "0", "g": "100", "refs": "1", "crf": "20"}
    video = VideoRef("a", encode(tmp_path / "a.mp4", drifting(30, step=4)[SHOWN], options=options))
    needs = Needs(motion_vectors=True)
    rows = read_frames(video, indices=np.arange(6, 34), needs=needs).motion_vectors
    moved = [np.median(np.hypot(one[:, 4], one[:, 5])) for one in rows]
    assert min(moved) > 3  # of a repeat itself: 0
    again = [place for place in range(7, 34) if SHOWN[place] == SHOWN[place - 1]]
    for place in again:
        np.testing.assert_array_equal(rows[place - 6], rows[place - 7])
        alone = read_frames(video, indices=np.array([place]), needs=needs).motion_vectors[0]
        np.testing.assert_array_equal(alone, rows[place - 6])


def test_other_readers_step_over_the_same_repeats():
    film = drifting(30)[SHOWN]
    asked = []

    def read(positions):
        asked.append(positions.tolist())
        return film[positions]

    here = np.arange(36)
    for gap in (-1, 1):
        found = step_over_repeats(here, np.clip(here + gap, 0, 35), last=35, read=read)
        assert [SHOWN[place] for place in found[2:34]] == [SHOWN[place] + gap for place in here[2:34]]
    assert asked[1] and all(positions == sorted(set(positions)) for positions in asked)
    asked.clear()
    step_over_repeats(np.array([2]), np.array([3]), last=35, read=read)
    assert asked == [[2, 3]]  # nothing more is read where the neighbour shows another picture


@given(st.lists(st.floats(0, 50), min_size=1, max_size=6))
def test_the_first_other_is_the_first_or_follows_a_jump(changes):
    place = first_other(changes)
    jumps = [n for n, (one, two) in enumerate(pairwise(changes), 1) if two >= max(3 * one, 0.3)]
    assert place == (jumps[0] if changes[0] < 2 and jumps else 0)
    assert repeats(changes) == (place > 0 or changes[0] < 0.3)


@given(st.floats(0.01, 10), st.integers(1, 6))
def test_an_even_motion_is_stepped_over_nowhere(speed, count):
    assert first_other([speed * step for step in range(1, count + 1)]) == 0


def test_the_frame_that_first_showed_a_picture():
    pictures = [luma_miniature(frame) for frame in drifting(5)]
    order = [0, 1, 1, 2, 2, 2, 3, 4]
    miniatures = dict(enumerate(pictures[place] for place in order))
    found = [shown_first(place, miniatures) for place in range(1, len(order))]
    assert found == [order.index(picture) for picture in order[1:]]
    assert shown_first(4, {4: miniatures[4]}) == 4  # nothing is known of those before
