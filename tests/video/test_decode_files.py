"""The data folder's real and awkward files against a plain full decode, and against what others decoded."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.sample_videos import agrees, rows, sequential
from PIL import Image

from fdakit import VideoError
from fdakit.plugin import Needs, VideoRef
from fdakit.video import OpenVideo, frame_times, read_frames


@pytest.mark.integration
def test_natural_files_match_the_full_decode(data_dir):
    names = (
        "eye_makeup.avi",  # non-monotonic pts
        "bears.mp4",  # declares more frames than it shows
        "talking_head_a.mpg",
        "flipping_a_pancake.mkv",
        "dog_in_snow.mp4",
        "carphone_pristine.mp4",
        "arm_wrestling.mp4",
    )
    for name in names:
        video = VideoRef(name, data_dir / "videos/natural" / name)
        count = len(frame_times(video))
        agrees(video, [1, count // 2, count - 1])


@pytest.mark.integration
def test_odd_files_decode_or_raise(data_dir):
    folder = data_dir / "videos/odd"
    for row in rows(folder / "odd.tsv"):
        video = VideoRef(row["path"], folder / row["path"])
        if row["expected"] == "ok":
            count = int(row["frames"])
            got = read_frames(video, indices=np.unique([0, count // 2, count - 1]), needs=Needs((-1,)))
            height, width = int(row["height"]), int(row["width"])
            size = (width, height) if row["rotation_clockwise"] in ("90", "270") else (height, width)
            assert got.frames.shape[1:3] == size, row["path"]
        elif row["expected"] == "decode_error" and "cenc" not in row["path"]:
            count = len(frame_times(video))
            with pytest.raises(VideoError, match=f"{row['frames']} of {count} frames decoded"):
                read_frames(video, indices=np.arange(count), size=(8, 8))


@pytest.mark.parametrize(
    ("name", "quarters"), [("video_0.mov", 0), ("video_90.mov", 3), ("video_180.mov", 2), ("video_270.mov", 1)]
)
def test_real_rotations(data_dir, name, quarters):
    path = data_dir / "videos/odd" / name
    got = read_frames(VideoRef(name, path), indices=np.arange(3))
    np.testing.assert_array_equal(got.frames, [np.rot90(frame, quarters) for frame in sequential(path)])


@pytest.mark.parametrize("name", ["cfr_numbered.mp4", "vfr_numbered.mp4"])
def test_numbered_files_read_back(data_dir, name):
    video = VideoRef(name, data_dir / "videos/odd" / name)
    indices = np.array([0, 1, 9, 10, 17, 29])
    got = read_frames(video, indices=indices, needs=Needs((-1,)))
    # The file's luma 30 + 6i is of limited range; RGB stretches it by 255 / 219.
    luma = got.frames.mean((1, 2, 3)) * 219 / 255 + 16
    np.testing.assert_allclose(luma, 30 + 6 * indices, atol=1.5)
    before = got.neighbours[-1].mean((1, 2, 3)) * 219 / 255 + 16
    np.testing.assert_allclose(before, 30 + 6 * np.maximum(indices - 1, 0), atol=1.5)


def test_frames_stored_by_others_are_equal_in_every_pixel(data_dir):
    folder = data_dir / "oracles/decoded_frames"
    for row in rows(folder / "frames.tsv"):
        if row["stream_index"] != "0":  # only the first video stream is read
            continue
        got = read_frames(VideoRef("a", data_dir / row["video"]), indices=np.array([int(row["frame"])]))
        np.testing.assert_array_equal(got.frames[0], np.asarray(Image.open(folder / row["file"])), row["file"])


def test_times_stored_by_others_are_equal(data_dir):
    for name in ("nasa_13013.mp4", "nasa_13013_rotated.mp4", "test_non_zero_start.mp4"):
        file = data_dir / f"oracles/decoded_frames/{name}.stream0.all_frames_info.json"
        wanted = np.array([float(frame["pts_time"]) for frame in json.loads(file.read_text())])
        got = frame_times(VideoRef(name, data_dir / "videos/odd" / name))
        np.testing.assert_allclose(got, wanted - wanted[0], atol=2e-6)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed under /proc on Linux alone")
def test_a_closed_video_holds_no_file_open(clips):
    def held():
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return [str(link.readlink()) for link in links if link.is_symlink() and "red-across" in str(link.readlink())]

    gc.collect()  # other tests let go of theirs as they like
    before = held()
    opened = OpenVideo(VideoRef("a", clips / "red-across.mp4"))
    assert len(held()) == len(before) + 1
    opened.read(np.array([0, 5]))
    opened.close()
    assert held() == before
    with OpenVideo(VideoRef("a", clips / "red-across.mp4")) as kept:
        kept.times()
    assert held() == before
