"""Chosen frames against a plain full decode: order, neighbours, size, rotation, damage."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.sample_videos import LOSSLESS, agrees, encode, noise, numbered, numbers, ramp, restamp, sequential
from PIL import Image

from fdakit import VideoError
from fdakit.plugin import Needs, VideoRef
from fdakit.video import frame_times, read_frames


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return encode(tmp_path_factory.mktemp("decode") / "clip.mp4", numbered(30))


def test_frames_are_the_ones_asked_for(clip):
    video = VideoRef("a", clip)
    for indices in ([0], [29], [0, 7, 8, 29], [3, 11, 12, 13], list(range(30))):
        got = read_frames(video, indices=np.array(indices))
        assert got.id == "a"
        assert got.frames.shape == (len(indices), 48, 64, 3)
        assert got.frames.dtype == np.uint8
        assert numbers(got.frames) == indices
        assert got.times.tolist() == frame_times(video)[indices].tolist()
        assert got.neighbours == {}
        assert got.motion_vectors is None


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("clip.mkv", "libx264", LOSSLESS),
        ("clip.ts", "libx264", LOSSLESS),
        ("raw.h264", "libx264", LOSSLESS),  # no pts at all
        ("order.avi", "libx264", LOSSLESS),  # pts that go back and forth
        ("clip.mpg", "mpeg2video", {"bf": "2"}),
        ("clip.mp4", "mpeg4", {"bf": "2"}),
    ],
)
def test_containers_and_codecs_match_the_full_decode(tmp_path, name, codec, options):
    path = encode(tmp_path / name, noise(20), codec=codec, options=options)
    agrees(VideoRef("a", path), [0, 1, 5, 6, 7, 13, 19])


def test_missing_pts_keep_the_shown_order(tmp_path):
    path = encode(tmp_path / "raw.h264", numbered(20))
    assert numbers(read_frames(VideoRef("a", path), indices=np.arange(20)).frames) == list(range(20))


def test_equal_pts_come_in_decode_order(tmp_path):
    source = encode(tmp_path / "source.mkv", numbered(6), codec="mjpeg", options={})
    path = restamp(tmp_path / "ties.mkv", source, millis=[0, 40, 40, 40, 80, 80])
    video = VideoRef("a", path)
    assert frame_times(video).tolist() == [0, 0.04, 0.04, 0.04, 0.08, 0.08]
    assert numbers(read_frames(video, indices=np.array([2, 3, 5])).frames) == [2, 3, 5]


def test_neighbours_stand_at_their_gap_and_stop_at_the_ends(clip):
    needs = Needs(neighbours=(-1, 1, 5))
    got = read_frames(VideoRef("a", clip), indices=np.array([0, 12, 27, 29]), needs=needs)
    assert {gap: numbers(frames) for gap, frames in got.neighbours.items()} == {
        -1: [0, 11, 26, 28],
        1: [1, 13, 28, 29],
        5: [5, 17, 29, 29],
    }
    assert numbers(got.frames) == [0, 12, 27, 29]


def test_segment_counts_its_own_frames_and_sees_neighbours_outside(clip):
    video = VideoRef("a", clip, 0.4, 0.8)
    got = read_frames(video, indices=np.array([0, 9]), needs=Needs(neighbours=(-1, 1)))
    assert numbers(got.frames) == [10, 19]
    assert numbers(got.neighbours[-1]) == [9, 18]
    assert numbers(got.neighbours[1]) == [11, 20]
    assert got.times.tolist() == [0.4, 0.76]


@pytest.mark.parametrize("indices", [[], [-1], [0, 10]])
def test_indices_outside_the_segment_are_refused(clip, indices):
    with pytest.raises(ValueError, match="each from 0 to 9"):
        read_frames(VideoRef("a", clip, 0.4, 0.8), indices=np.array(indices, np.int64))


@pytest.mark.parametrize(("turn", "quarters"), [(0, 0), (90, 1), (-90, 3), (180, 2)])
def test_frames_come_upright(tmp_path, turn, quarters):
    path = encode(tmp_path / "turned.mp4", ramp(4), turn=turn)
    upright = np.rot90(sequential(path)[3], quarters)
    native = read_frames(VideoRef("a", path), indices=np.array([1, 3])).frames
    np.testing.assert_array_equal(native[1], upright)
    scaled = read_frames(VideoRef("a", path), indices=np.array([1, 3]), size=(20, 30)).frames
    assert scaled.shape == (2, 20, 30, 3)
    small = Image.fromarray(np.ascontiguousarray(upright)).resize((30, 20), Image.Resampling.BICUBIC)
    # Pillow and swscale differ a little; a wrong turn would differ by some 80 grey levels.
    assert np.abs(scaled[1].astype(int) - np.asarray(small)).mean() < 3


def test_own_size_as_wanted_size_changes_no_pixel(tmp_path):
    path = encode(tmp_path / "clip.mp4", noise(3))
    got = read_frames(VideoRef("a", path), indices=np.arange(3), size=(48, 64))
    np.testing.assert_array_equal(got.frames, np.stack(sequential(path)))


def test_motion_vectors_come_with_the_sampled_frames(tmp_path):
    still = noise(1)[0]
    pictures = np.stack([np.roll(still, 2 * i, axis=1) for i in range(8)])
    path = encode(tmp_path / "moving.mp4", pictures, options={"bf": "0", "g": "100", "refs": "1"})
    needs = Needs(neighbours=(-1,), motion_vectors=True)
    got = read_frames(VideoRef("a", path), indices=np.array([0, 4, 7]), needs=needs)
    first, *others = got.motion_vectors
    assert first is None  # nothing comes before a keyframe
    for vectors in others:
        assert vectors.dtype == np.float32
        assert vectors.shape[1] == 6
        assert vectors.flags.owndata
        assert np.median(vectors[:, 4]) == 2  # the picture moves to the right
        assert np.median(vectors[:, 5]) == 0


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_motion_vectors_say_how_the_upright_scaled_picture_moves(tmp_path, turn):
    still = noise(1)[0]
    pictures = np.stack([np.roll(still, 2 * i, axis=1) for i in range(4)])
    path = encode(tmp_path / "moving.mp4", pictures, options={"bf": "0", "g": "100", "refs": "1"}, turn=turn)
    height, width = read_frames(VideoRef("a", path), indices=np.array([0])).frames.shape[1:3]
    got = read_frames(
        VideoRef("a", path), indices=np.array([2, 3]), needs=Needs(motion_vectors=True), size=(2 * height, 3 * width)
    )
    vectors = got.motion_vectors[1]
    right, down = np.median(vectors[:, 4:], axis=0).astype(int)
    assert {abs(right), abs(down)} == ({0, 6} if turn % 180 == 0 else {0, 4})
    before, after = got.frames.astype(int)
    moved = np.roll(before, (down, right), axis=(0, 1))
    assert np.abs(moved - after).mean() < 0.5 * np.abs(np.roll(before, (-down, -right), axis=(0, 1)) - after).mean()
    assert (vectors[:, :2] >= 0).all()
    assert (vectors[:, :2] <= got.frames.shape[2:0:-1]).all()
    assert (vectors[:, 2:4].max(0) <= (48, 32)).all()  # blocks of at most 16 by 16
    assert (vectors[:, 2:4].min(0) >= (3 * 4, 2 * 4)).all()


@pytest.mark.parametrize("size", [None, (24, 32), (96, 200)])
@pytest.mark.parametrize("turn", [0, 90])
def test_luma_comes_beside_the_frames_and_their_neighbours(tmp_path, size, turn):
    path = encode(tmp_path / "clip.mp4", noise(6), turn=turn)
    video, needs = VideoRef("a", path), Needs(neighbours=(-1,), luma=True)
    got = read_frames(video, indices=np.array([1, 4]), needs=needs, size=size)
    assert set(got.luma) == {0, -1}
    for gap, frames in {0: got.frames, **got.neighbours}.items():
        assert got.luma[gap].shape == frames.shape[:3]
        # Spread to the full range, as RGB is; clipped colours and rounding leave a rest.
        grey = frames @ np.array([0.299, 0.587, 0.114])
        assert np.abs(grey - got.luma[gap]).mean() < 2


@pytest.fixture
def damaged(tmp_path):
    """Half of the frames are sound; then come bytes that are no picture. The index stays whole."""
    path = encode(tmp_path / "damaged.mp4", noise(20), options={"bf": "0", "g": "5", "qp": "0"})
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = b"\xff" * 3000
    path.write_bytes(content)
    return path


def test_damage_names_file_fault_and_count(damaged):
    video = VideoRef("a", damaged)
    with pytest.raises(VideoError) as caught:
        read_frames(video, indices=np.arange(len(frame_times(video))))
    message = str(caught.value)
    assert message.startswith(f"{damaged}: decoding ")
    assert "frames decoded" in message
    assert message.endswith("re-encode it or remove it from the data set")


def test_frames_before_the_damage_are_still_read(damaged):
    assert read_frames(VideoRef("a", damaged), indices=np.array([0, 3])).frames.shape == (2, 48, 64, 3)
