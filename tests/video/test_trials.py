"""Files out of bug reports, each against the right value that its index gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.sample_videos import sequential

from fdakit.builtin.samplers.uniform import Uniform, UniformOptions
from fdakit.plugin import Needs, VideoRef
from fdakit.video import OpenVideo, read_frames
from fdakit.video.damage_survey import survey_video


def frames_of(path: Path, *, sparse: bool = True) -> list[np.ndarray]:
    """Each frame, read alone from one open file."""
    with OpenVideo(VideoRef("a", path)) as video:
        return [video.read(np.array([i]), sparse=sparse).frames[0] for i in range(len(video.times()))]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("trials/no_stss_mpeg4.mp4", 40),
        ("trials/concat.ts", 40),
        ("trials/paff_fields.mp4", 20),
        ("trials/nvop.avi", 20),
        ("trials/open_gop_cut_h264.ts", 38),
        ("trials/h264_bframes.avi", 41),
        ("odd/nonmonotonic_pts.avi", 164),
        ("natural/eye_makeup.avi", 164),
    ],
)
def test_frames_are_those_of_a_sequential_decode_and_none_is_damaged(data_dir: Path, name: str, count: int) -> None:
    path = data_dir / "videos" / name
    full = sequential(path)
    assert len(full) == count
    for sparse in (True, False):
        found = frames_of(path, sparse=sparse)
        assert len(found) == count
        assert all(map(np.array_equal, found, full))
    survey = survey_video(VideoRef("a", path))
    assert (survey.promised, len(survey.sound), survey.reason) == (count, count, "")
    steps = np.diff(read_times(path))
    assert (steps >= 0).all()
    assert steps.max() < 0.1


def read_times(path: Path) -> np.ndarray:
    with OpenVideo(VideoRef("a", path)) as video:
        return video.times()


@pytest.mark.parametrize("ending", ["ts", "mkv", "avi", "flv", "nut", "mov"])
@pytest.mark.parametrize("name", ["paff_fields.mp4", "nvop.avi", "h264_bframes.avi", "open_gop_cut_h264.ts"])
def test_the_same_streams_in_other_containers(data_dir: Path, tmp_path: Path, name: str, ending: str) -> None:
    from helpers.codec_pairs import copy

    path = tmp_path / f"film.{ending}"
    if not copy(path, data_dir / "videos/trials" / name, lambda packets, step: packets):
        pytest.skip("PyAV does not write it")
    full, found = sequential(path), frames_of(path)
    assert len(found) == len(full)
    assert all(map(np.array_equal, found, full))


def test_a_cover_picture_is_passed_over(data_dir: Path) -> None:
    path = data_dir / "videos/trials/cover_first.mp4"
    with OpenVideo(VideoRef("a", path)) as video:
        assert video.stream == 1
        assert video.read(np.arange(len(video.times()))).frames.shape == (30, 64, 96, 3)
    survey = survey_video(VideoRef("a", path))
    assert (survey.codec, survey.width, survey.height) == ("h264", 96, 64)


def test_a_mirrored_film_is_mirrored(data_dir: Path) -> None:
    path = data_dir / "videos/trials/hflip_matrix.mp4"
    found = read_frames(VideoRef("a", path), indices=np.arange(6)).frames
    np.testing.assert_array_equal(found, [frame[:, ::-1] for frame in sequential(path)])


def test_what_else_is_asked_for_changes_no_frame(data_dir: Path) -> None:
    for name in ("nvop.avi", "h264_bframes.avi", "concat.ts", "paff_fields.mp4"):
        path = data_dir / "videos/trials" / name
        full = sequential(path)
        for needs in (Needs(), Needs(neighbours=(-1, 2)), Needs(motion_vectors=True), Needs(luma=True)):
            for tolerant in (False, True):
                indices = np.array([3, 10, 11, 19])
                found = read_frames(VideoRef("a", path), indices=indices, needs=needs, tolerant=tolerant).frames
                np.testing.assert_array_equal(found, [full[index] for index in indices], err_msg=f"{name} {needs}")


def test_neighbouring_frames_of_avi_are_closer_than_in_the_order_of_the_file(data_dir: Path) -> None:
    found = np.stack(frames_of(data_dir / "videos/odd/nonmonotonic_pts.avi")).astype(np.int16)
    assert np.abs(np.diff(found, axis=0)).mean() < 2.6


def test_what_is_odd_about_a_file_is_told(data_dir: Path) -> None:
    words = {
        "concat.ts": "starts again",
        "h264_bframes.avi": "does not say when frames are shown",
        "nvop.avi": "do not go one to one",
        "no_stss_mpeg4.mp4": "",
        "open_gop_cut_h264.ts": "",
    }
    for name, word in words.items():
        with OpenVideo(VideoRef("a", data_dir / "videos/trials" / name)) as video:
            assert [word in remark for remark in video.remarks] == [True] * bool(word), name


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_a_jump_of_ten_hours_is_told_and_does_not_move_the_samples(tmp_path: Path, ending: str) -> None:
    from helpers.codec_pairs import Kind, copy, jump, write

    plain, path = tmp_path / f"plain.{ending}", tmp_path / f"film.{ending}"
    assert write(plain, Kind("libx264", 1, ending))
    assert copy(path, plain, jump)
    with OpenVideo(VideoRef("a", path)) as video, OpenVideo(VideoRef("a", plain)) as usual:
        assert any("clock jumps" in remark for remark in video.remarks)
        np.testing.assert_allclose(video.times(), usual.times(), atol=2e-3)
        chosen = Uniform(UniformOptions())(30, video.times(), False, np.random.default_rng(0))
        assert chosen.tolist() == [1, 3, 6, 8, 11, 13, 16, 18, 21, 23, 26, 28]
    part = VideoRef("part", path, start=0.4, end=0.8)  # seconds of the time that is told
    with OpenVideo(part) as video:
        assert len(video.times()) == 10
