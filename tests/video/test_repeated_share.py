"""The share of repeated frames, from stretches of a video."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.sample_videos import encode, numbered

from fdakit import VideoError
from fdakit.plugin import VideoRef
from fdakit.video.repeated_share import count_repeats


def film(path, order):
    """A video that shows numbered pictures in this order; numbers go round, so that levels stay far apart."""
    return VideoRef("a", encode(path, numbered(30)[np.array(order) % 30], options={"crf": "20", "g": "250"}))


@pytest.mark.parametrize("count", [30, 200])
def test_every_sixth_frame_repeats_where_25_are_shown_as_30(tmp_path, count):
    found, asked = count_repeats(film(tmp_path / "a.mp4", [place * 5 // 6 for place in range(count)]))
    assert asked == (29 if count == 30 else 48)
    assert found / asked == pytest.approx(1 / 6, abs=0.02)


def test_pictures_shown_once_are_no_repeats_and_a_still_is_nothing_else(tmp_path):
    assert count_repeats(film(tmp_path / "once.mp4", range(100))) == (0, 48)
    found, asked = count_repeats(film(tmp_path / "still.mp4", [3] * 100))
    assert found == asked == 48
    assert count_repeats(film(tmp_path / "one.mp4", [3])) == (0, 0)


def test_a_segment_counts_its_own_frames(tmp_path):
    whole = film(tmp_path / "a.mp4", [*range(60), *[place // 2 for place in range(60)]])
    assert count_repeats(VideoRef("a", whole.path, 0.0, 2.3)) == (0, 57)
    found, asked = count_repeats(VideoRef("a", whole.path, 2.5, 4.7))
    assert found / asked == pytest.approx(0.5, abs=0.02)


def test_a_file_that_is_no_video_is_named(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no film")
    with pytest.raises(VideoError, match="cannot be opened"):
        count_repeats(VideoRef("a", tmp_path / "a.mp4"))
