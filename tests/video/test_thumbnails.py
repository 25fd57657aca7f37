"""Thumbnails: the middle frame, upright, with square pixels, of whatever can be read."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from helpers import sample_videos, video_faults
from PIL import Image

from fdakit import VideoError
from fdakit.plugin import VideoRef
from fdakit.video import read_frames
from fdakit.video.thumbnails import thumbnail


def opened(picture):
    """The JPEG as pixels `(h, w, 3)`."""
    assert picture is not None
    with Image.open(BytesIO(picture)) as image:
        assert image.format == "JPEG"
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize(("start", "end", "number"), [(None, None, 10), (0.2, 0.4, 7), (0.4, None, 15)])
def test_it_is_the_middle_frame_of_the_segment(tmp_path, start, end, number):
    path = sample_videos.encode(tmp_path / "film.mp4", sample_videos.numbered(20))
    pixels = opened(thumbnail(VideoRef("film", path, start, end)))
    assert pixels.shape == (48, 64, 3)  # never larger than the video
    assert sample_videos.numbers(pixels[None]) == [number]


@pytest.mark.parametrize(("frames", "numbers"), [(2, [5, 15]), (4, [2, 7, 12, 17]), (30, list(range(20)))])
def test_several_frames_stand_side_by_side(tmp_path, frames, numbers):
    video = VideoRef("film", sample_videos.encode(tmp_path / "film.mp4", sample_videos.numbered(20)))
    pixels = opened(thumbnail(video, frames=frames))
    assert pixels.shape == (48, 64 * len(numbers) + 2 * (len(numbers) - 1), 3)
    tiles = [pixels[:, 66 * place : 66 * place + 64] for place in range(len(numbers))]
    assert sample_videos.numbers(np.stack(tiles)) == numbers
    assert (pixels[:, 64:66] > 240).all()


@pytest.mark.parametrize(
    ("shape", "small"), [((96, 128), (48, 64)), ((128, 96), (48, 36)), ((16, 400), (6, 144)), ((400, 16), (48, 2))]
)
def test_its_shape_is_the_videos_but_for_pixels(tmp_path, shape, small):
    path = sample_videos.encode(tmp_path / "film.mp4", sample_videos.numbered(3, height=shape[0], width=shape[1]))
    assert opened(thumbnail(VideoRef("film", path), height=48)).shape == (*small, 3)


@pytest.mark.parametrize(("shape", "small"), [((400, 2), (48, 1)), ((2, 900), (1, 144))])
def test_of_a_video_as_thin_as_a_line_a_pixel_is_left(tmp_path, shape, small):
    film = np.full((3, *shape, 3), 90, np.uint8)
    path = sample_videos.encode(tmp_path / "film.mkv", film, codec="mjpeg", options={})
    assert opened(thumbnail(VideoRef("film", path), height=48)).shape == (*small, 3)


def test_it_is_upright(tmp_path):
    video = VideoRef("film", sample_videos.encode(tmp_path / "film.mp4", sample_videos.ramp(3), turn=90))
    pixels = opened(thumbnail(video))
    assert pixels.shape == (64, 48, 3)
    assert np.abs(pixels.astype(int) - read_frames(video, indices=np.array([1])).frames[0]).mean() < 6


def test_its_pixels_are_square(data_dir):
    video = VideoRef("wide", data_dir / "videos/odd/h264_white_frame_sar_16_9.mp4")
    height, width = read_frames(video, indices=np.array([0])).frames.shape[1:3]
    small = opened(thumbnail(video, height=90))
    assert small.shape[1] / small.shape[0] == pytest.approx(width / height * 16 / 9, rel=0.03)


def test_of_a_file_damaged_in_part_it_is_the_middle_of_what_decodes(tmp_path):
    path = video_faults.holed_film(tmp_path / "film.mp4")
    pixels = opened(thumbnail(VideoRef("film", path, 2 / 8, 9 / 8)))  # 2 to 8, of which 5 is the middle and a hole
    assert video_faults.numbers(pixels[None]) == [4]


def test_there_is_none_where_nothing_can_be_read(tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no film")
    for name in ("bad", "absent"):
        with pytest.raises(VideoError, match=rf"{name}\.mp4"):
            thumbnail(VideoRef(name, tmp_path / f"{name}.mp4"))
