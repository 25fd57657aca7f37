"""Videos that show the same: found by what their files hold, whatever they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from fdakit.dataset_files import identical_videos as identical_videos_module
from fdakit.dataset_files.identical_videos import footage_numbers, identical_groups, identical_videos
from fdakit.plugin import VideoRef

LONG = bytes(range(256)) * 1024  # 256 KiB: the ends that are compared first do not meet
CONTENTS = {
    "a": LONG,
    "b": LONG[:-1] + b"x",
    "twin of a": LONG,
    "c": LONG[:100_000] + b"y" + LONG[100_001:],
    "d": b"short",
    "twin of d": b"short",
    "e": b"shorx",
    "f": b"",
}


@pytest.fixture
def videos(tmp_path: Path) -> list[VideoRef]:
    for name, content in CONTENTS.items():
        (tmp_path / name).write_bytes(content)
    return [VideoRef(name, tmp_path / name) for name in CONTENTS]


def test_files_equal_byte_for_byte_are_one_footage(videos: list[VideoRef]) -> None:
    assert identical_videos(videos) == {"twin of a": "a", "twin of d": "d"}
    assert identical_groups(videos) == (("a", "twin of a"), ("d", "twin of d"))
    assert footage_numbers(videos) == [0, 1, 0, 3, 4, 4, 6, 7]
    assert footage_numbers(videos[::-1])[:6] == [0, 1, 2, 2, 4, 5]


def test_segments_of_one_file_differ_and_equal_ones_do_not(videos: list[VideoRef]) -> None:
    a, twin = videos[0].path, videos[2].path
    cut = [VideoRef("x", a, 0.0, 1.0), VideoRef("y", a, 1.0, 2.0), VideoRef("z", twin, 1.0, 2.0), VideoRef("w", a)]
    assert identical_videos(cut) == {"z": "y"}


def test_what_cannot_be_read_is_like_nothing_else(tmp_path: Path) -> None:
    gone = [VideoRef("a", tmp_path / "none"), VideoRef("b", tmp_path / "none2"), VideoRef("c", tmp_path)]
    assert identical_videos(gone) == {}
    assert identical_videos([*gone, VideoRef("d", tmp_path / "none")]) == {"d": "a"}


def test_files_of_different_sizes_are_not_opened(videos: list[VideoRef], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identical_videos_module, "_ends", None)
    assert identical_videos([videos[0], videos[4], videos[7]]) == {}
