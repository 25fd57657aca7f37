"""One open video, read many times: in any order, after other needs, and after a read that failed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.sample_videos import GROUPED, encode, noise, sequential
from hypothesis import given, settings, strategies as st

from fdakit import VideoError
from fdakit.plugin import Needs, VideoRef
from fdakit.video import OpenVideo, read_frames

KINDS = {
    "film.mp4": ("libx264", GROUPED),
    "film.avi": ("mpeg4", {"bf": "2", "g": "9"}),
    "film.gif": ("gif", {}),
    "film.wmv": ("wmv2", {"g": "9"}),
}
NEEDS = (Needs(), Needs(neighbours=(-1, 1)), Needs(luma=True), Needs(motion_vectors=True))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Films that are read sparsely, as a whole, and from the start each time."""
    folder = tmp_path_factory.mktemp("films")
    made = {}
    for name, (codec, options) in KINDS.items():
        if codec == "gif":
            from PIL import Image

            first, *others = [Image.fromarray(picture) for picture in noise(30)]
            first.save(folder / name, save_all=True, append_images=others, duration=40)
            made[name] = folder / name
        else:
            made[name] = encode(folder / name, noise(30), codec=codec, options=options)
    return made


@pytest.mark.integration
@settings(max_examples=30, deadline=None)
@given(
    reads=st.lists(
        st.tuples(
            st.lists(st.integers(0, 29), min_size=1, max_size=5, unique=True).map(sorted),
            st.sampled_from(NEEDS),
            st.sampled_from([None, (24, 32)]),
            st.booleans(),
        ),
        min_size=2,
        max_size=5,
    )
)
@pytest.mark.parametrize("name", KINDS)
def test_a_read_gives_what_a_first_one_would(films: dict[str, Path], name: str, reads: list[tuple]) -> None:
    video = VideoRef("a", films[name])
    with OpenVideo(video) as opened:
        for indices, needs, size, sparse in reads:
            asked = {"needs": needs, "size": size, "sparse": sparse}
            found, alone = (
                opened.read(np.array(indices), **asked),
                read_frames(video, indices=np.array(indices), **asked),
            )
            np.testing.assert_array_equal(found.frames, alone.frames)
            assert opened.times()[indices].tolist() == found.times.tolist()
            for gap in needs.neighbours:
                np.testing.assert_array_equal(found.neighbours[gap], alone.neighbours[gap])
            for one, other in zip(found.motion_vectors or (), alone.motion_vectors or (), strict=True):
                assert (one is None) == (other is None)
                assert one is None or np.array_equal(one, other)


def test_a_read_that_fails_spoils_no_later_one(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.mp4", noise(20), options={"bf": "0", "g": "5", "qp": "0"})
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = b"\xff" * 3000
    path.write_bytes(content)
    with OpenVideo(VideoRef("a", path)) as video:
        with pytest.raises(VideoError):
            video.read(np.arange(20))
        with pytest.raises(ValueError, match="each from 0 to 19"):
            video.read(np.array([20]))
        before = video.read(np.array([0, 3])).frames
        with pytest.raises(VideoError):
            video.read(np.arange(20), needs=Needs(motion_vectors=True))
        np.testing.assert_array_equal(video.read(np.array([0, 3])).frames, before)
        np.testing.assert_array_equal(video.read(np.array([0, 3]), sparse=False).frames, before)


def test_without_kept_frames_and_packets_a_second_read_is_the_same(
    films: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fdakit.video.sequential_decode.KEPT_BYTES", 0)
    monkeypatch.setattr("fdakit.video.packet_source.KEPT_BYTES", 0)
    for path in films.values():
        full = sequential(path)
        with OpenVideo(VideoRef("a", path)) as video:
            for index in (20, 3, 29, 3):
                np.testing.assert_array_equal(video.read(np.array([index])).frames[0], full[index])


def test_a_closed_video_says_so(films: dict[str, Path]) -> None:
    video = OpenVideo(VideoRef("a", films["film.mp4"]))
    video.close()
    with pytest.raises(ValueError, match="closed"):
        video.read(np.array([0]))
