"""The eight ways in which a stored picture may be set upright, for frames, luma, neighbours and motion vectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.sample_videos import encode, noise, sequential

from fdakit.plugin import Needs, VideoRef
from fdakit.video import OpenVideo, read_frames
from fdakit.video.damage_survey import survey_video

ONE = 1 << 16
# What a player does with a stored point (x, y), as (a, b, c, d) of the display matrix, and with the whole picture.
SHOWN: dict[str, tuple[tuple[int, int, int, int], Callable[[np.ndarray], np.ndarray]]] = {
    "as stored": ((1, 0, 0, 1), lambda p: p),
    "clockwise": ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
    "half turn": ((-1, 0, 0, -1), lambda p: p[::-1, ::-1]),
    "against the clock": ((0, -1, 1, 0), lambda p: np.rot90(p, 1)),
    "left to right": ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
    "top to bottom": ((1, 0, 0, -1), lambda p: p[::-1]),
    "transposed": ((0, 1, 1, 0), lambda p: p.swapaxes(0, 1)),
    "transposed the other way": ((0, -1, -1, 0), lambda p: p[::-1, ::-1].swapaxes(0, 1)),
}


def oriented(path: Path, pictures: np.ndarray, matrix: tuple[int, int, int, int], **also: object) -> Path:
    """A film of 25 frames a second with this display matrix, written into its track header."""
    encode(path, pictures, **also)
    content = bytearray(path.read_bytes())
    a, b, c, d = (ONE * entry for entry in matrix)
    identity = b"".join(v.to_bytes(4, "big", signed=True) for v in (ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30))
    at = content.index(identity, content.index(b"tkhd"))
    values = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    content[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in values)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", SHOWN)
def test_frames_luma_and_neighbours_stand_as_players_show_them(tmp_path: Path, name: str) -> None:
    matrix, shown = SHOWN[name]
    path = oriented(tmp_path / "film.mp4", noise(6), matrix)
    full = sequential(path)
    clip = read_frames(VideoRef("a", path), indices=np.array([1, 4]), needs=Needs(neighbours=(1,), luma=True))
    np.testing.assert_array_equal(clip.frames, np.stack([shown(full[1]), shown(full[4])]))
    np.testing.assert_array_equal(clip.neighbours[1], np.stack([shown(full[2]), shown(full[5])]))
    plain = oriented(tmp_path / "plain.mp4", noise(6), SHOWN["as stored"][0])
    luma = read_frames(VideoRef("a", plain), indices=np.array([1, 4]), needs=Needs(luma=True)).luma[0]
    np.testing.assert_array_equal(clip.luma[0], np.stack([shown(grey) for grey in luma]))
    with OpenVideo(VideoRef("a", path)) as video:
        assert video.mirrored == (name in list(SHOWN)[4:])
    assert any("mirrors" in remark for remark in survey_video(VideoRef("a", path)).remarks) == (
        name in list(SHOWN)[4:]
    )


@pytest.mark.parametrize("name", SHOWN)
def test_motion_vectors_point_as_the_shown_picture_moves(tmp_path: Path, name: str) -> None:
    matrix, shown = SHOWN[name]
    pictures = np.stack([np.roll(noise(1)[0], (i, 2 * i), axis=(0, 1)) for i in range(4)])
    options = {"bf": "0", "g": "100", "refs": "1"}
    path = oriented(tmp_path / "film.mp4", pictures, matrix, options=options)
    vectors = read_frames(VideoRef("a", path), indices=np.array([3]), needs=Needs(motion_vectors=True)).motion_vectors
    assert vectors is not None and vectors[0] is not None
    a, b, c, d = matrix
    assert np.median(vectors[0][:, 4:], axis=0).tolist() == [2 * a + c, 2 * b + d]
    height, width = shown(pictures[0]).shape[:2]
    inside = vectors[0][:, :2]
    assert (inside >= 0).all() and (inside <= (width, height)).all()


def test_a_matrix_that_is_no_quarter_turn_leaves_the_picture_as_it_is(tmp_path: Path) -> None:
    for matrix in ((1, 1, -1, 1), (0, 0, 0, 0), (1, 0, 0, 0), (-1, 0, 0, 0), (0, 0, 0, -1)):
        path = oriented(tmp_path / "film.mp4", noise(3), matrix)
        found = read_frames(VideoRef("a", path), indices=np.arange(3)).frames
        np.testing.assert_array_equal(found, np.stack(sequential(path)))


def test_side_data_that_pyav_does_not_know_hides_no_frame(tmp_path: Path) -> None:
    path = tmp_path / "film.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("tiff", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "rgb24"
        for picture in noise(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    np.testing.assert_array_equal(read_frames(VideoRef("a", path), indices=np.arange(2)).frames, noise(2))
