"""Times of frames from packets alone, and the words for files that have none."""

from __future__ import annotations

import os
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition
from helpers.sample_videos import encode, numbered, rows

from fdakit import VideoError
from fdakit.plugin import VideoRef
from fdakit.video import OpenVideo, frame_times


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return encode(tmp_path_factory.mktemp("probe") / "clip.mp4", numbered(30))


def test_constant_rate_starts_at_nought_and_is_exact(clip):
    times = frame_times(VideoRef("a", clip))
    assert times.dtype == np.float64
    assert times.tolist() == [i / 25 for i in range(30)]


@pytest.mark.parametrize("offset", [0, 8330])
def test_uneven_times_count_from_the_first_frame(tmp_path, offset):
    millis = [0, 40, 240, 257, 297, 497]
    path = encode(tmp_path / "vfr.mkv", numbered(6), millis=[offset + m for m in millis])
    np.testing.assert_allclose(frame_times(VideoRef("a", path)), np.array(millis) / 1000, atol=1e-9)


def test_missing_pts_fall_back_to_packet_order_and_average_rate(tmp_path):
    path = encode(tmp_path / "raw.h264", numbered(10))  # a bare stream has no times at all
    assert frame_times(VideoRef("a", path)).tolist() == [i / 25 for i in range(10)]


def test_segment_takes_its_start_and_leaves_its_end(clip):
    times = frame_times(VideoRef("a", clip, 0.4, 0.8))
    assert times.tolist() == [i / 25 for i in range(10, 20)]
    assert len(frame_times(VideoRef("a", clip, 0.41, None))) == 19
    assert len(frame_times(VideoRef("a", clip, None, 0.41))) == 11


def test_names_of_every_kind_and_tags_of_any_encoding(tmp_path):
    for name in ("-dash.mp4", "two words [1].mp4", "größe ёж.mp4", "at%03d.mp4", "pipe:0.mp4"):
        assert len(frame_times(VideoRef("a", encode(tmp_path / name, numbered(3))))) == 3
    tagged = encode(tmp_path / "tagged.avi", numbered(3), codec="mpeg4", options={}, tags={"title": "QQQQ"})
    tagged.write_bytes(tagged.read_bytes().replace(b"QQQQ", b"\xe9t\xe9\xff"))
    assert len(frame_times(VideoRef("a", tagged))) == 3


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("absent.mp4", None, "no such file"),
        ("empty.mp4", b"", "cannot be opened as a video: invalid data"),
        ("text.mp4", b"not a video at all\n" * 50, "cannot be opened as a video: invalid data"),
        ("file/below.mp4", None, "no such file"),
    ],
)
def test_what_cannot_be_opened_is_named(tmp_path, name, content, found):
    (tmp_path / "file").write_text("")
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError) as caught:
        frame_times(VideoRef("a", path))
    assert str(caught.value).startswith(f"{path}: {found}")
    assert "; " in str(caught.value)


def test_folder_and_special_file(tmp_path):
    with pytest.raises(VideoError, match="a folder; give the path"):
        frame_times(VideoRef("a", tmp_path))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp4")
        with pytest.raises(VideoError, match="not a regular file"):
            frame_times(VideoRef("a", tmp_path / "pipe.mp4"))


def test_message_shows_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoError, match=str(tmp_path)):
        frame_times(VideoRef("a", (tmp_path / "absent.mp4").relative_to(tmp_path)))


def test_the_film_is_read_and_not_a_picture_beside_it(tmp_path, clip):
    for name, still in (("flagged.mp4", True), ("plain.mp4", False)):
        path = tmp_path / name
        with av.open(str(clip)) as film, av.open(str(path), "w") as both:
            cover = both.add_stream("mjpeg", rate=25)
            cover.height, cover.width, cover.pix_fmt = 200, 200, "yuvj420p"
            if still:
                cover.disposition = Disposition.attached_pic
            copied = both.add_stream_from_template(film.streams.video[0])
            picture = av.VideoFrame.from_ndarray(np.zeros((200, 200, 3), np.uint8), format="rgb24")
            both.mux(cover.encode(picture))
            both.mux(cover.encode(None))
            for packet in film.demux(video=0):
                if packet.size:
                    packet.stream = copied
                    both.mux(packet)
        with OpenVideo(VideoRef("a", path)) as video:
            assert len(video.times()) == 30, name
            assert video.read(np.array([0])).frames.shape == (1, 48, 64, 3)


def test_time_that_falls_in_a_codec_without_reordering_is_the_order_of_the_file(tmp_path):
    from fdakit.video.packet_checks import index_packets
    from fdakit.video.timestamps import NO_STAMP

    about = {"container": "matroska,webm", "delays": False, "tick": Fraction(1, 1000), "rate": Fraction(25)}
    about |= {"decoding": np.full(6, NO_STAMP), "marks": np.zeros(6, int), "discarded": np.zeros(6, bool)}
    assert index_packets(np.array([0, 40, 80, 0, 40, 80]), reorders=False, **about).restarts
    assert not index_packets(np.arange(6) * 40, reorders=False, **about).doubt


def test_unknown_codec_is_named(tmp_path, clip):
    path = tmp_path / "unknown.mp4"
    path.write_bytes(clip.read_bytes().replace(b"avc1", b"qqqq").replace(b"avcC", b"qqqC"))
    with pytest.raises(VideoError, match="no decoder for its video codec"):
        frame_times(VideoRef("a", path))


def test_empty_segment_says_what_there_is(clip):
    with pytest.raises(VideoError, match=r"none of its 30 frames, from 0\.0 to 1\.160 s, in the segment from 5 to 9"):
        frame_times(VideoRef("a", clip, 5, 9))


def test_natural_files_hold_the_frames_that_decode(data_dir):
    folder = data_dir / "videos/natural"
    for row in rows(folder / "clips.tsv"):
        times = frame_times(VideoRef(row["path"], folder / row["path"]))
        assert len(times) == int(row["frames"]), row["path"]
        assert abs(times[-1] - (float(row["last_pts"]) - float(row["first_pts"]))) < 1e-3, row["path"]
        assert times[0] == 0
        assert (np.diff(times) >= 0).all()


def test_odd_files_count_or_raise(data_dir):
    folder = data_dir / "videos/odd"
    for row in rows(folder / "odd.tsv"):
        video = VideoRef(row["path"], folder / row["path"])
        if row["expected"] == "ok":
            assert len(frame_times(video)) == int(row["frames"]), row["path"]
        elif row["expected"] != "decode_error":  # those fail only when they are decoded: see test_decode
            with pytest.raises(VideoError, match=row["path"]):
                frame_times(video)


def test_encrypted_file_is_called_so(data_dir):
    with pytest.raises(VideoError, match="encrypted"):
        frame_times(VideoRef("a", data_dir / "videos/odd/short-cenc.mp4"))
