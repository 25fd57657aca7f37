"""Clips cut out of videos: a copy shows the very frames, an exact cut those of the range; nothing is overwritten."""

from __future__ import annotations

import errno
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers import sample_videos, video_faults
from helpers.sounding_videos import clicking, heard_clicks
from hypothesis import given, strategies as st

from fdakit.errors import FdakitError, VideoError
from fdakit.plugin import Clip, VideoRef
from fdakit.search.results.clip_source import decode_stamps
from fdakit.search.results.moment_clips import CutClip, cut_moments
from fdakit.search.results.times import clock, clock_name
from fdakit.video import OpenVideo, packet_source

NOISE = 1e-6
RANGES = [(0.0, 0.4), (0.2, 0.6), (0.47, 0.5), (0.48, 1.0), (0.68, 0.9), (1.1, 9.0)]


def everything(path: Path) -> Clip:
    with OpenVideo(VideoRef(path.name, path)) as opened:
        return opened.read(np.arange(len(opened.times())))


def covered(film: Clip, clip: CutClip) -> np.ndarray:
    """Which frames of a film a clip says that it covers."""
    return np.flatnonzero((film.times >= clip.start - NOISE) & (film.times < clip.end - NOISE))


def copies(film: Clip, clip: CutClip) -> None:
    """The clip shows the frames that it says, pixel for pixel, each at its time."""
    made, own = everything(clip.path), covered(film, clip)
    np.testing.assert_array_equal(made.frames, film.frames[own])
    np.testing.assert_allclose(made.times, film.times[own] - clip.start, atol=0.0011)


@pytest.mark.parametrize(
    "options",
    [
        sample_videos.GROUPED,
        sample_videos.LOSSLESS,
        {"g": "12", "x264-params": "open-gop=1:bframes=3:b-adapt=0:scenecut=0"},
    ],
)
@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".mov", ".ts"])
def test_a_copy_shows_the_very_frames_from_a_keyframe_on(
    tmp_path: Path, options: dict[str, str], ending: str
) -> None:
    path = sample_videos.encode(tmp_path / f"film{ending}", sample_videos.noise(40), options=options)
    film = everything(path)
    for (start, end), clip in zip(RANGES, cut_moments(path, RANGES, tmp_path / "clips"), strict=True):
        assert clip.lossless, clip.remark
        begins = film.times[film.times >= start - NOISE][0]
        assert -NOISE <= begins - clip.start < 12 / 25  # keyframes come each dozen
        assert min(end, 1.6) - NOISE <= clip.end <= end + 4 / 25
        copies(film, clip)


@pytest.mark.parametrize("start, end", RANGES)
def test_an_exact_cut_shows_the_frames_of_the_range_and_no_other(tmp_path: Path, start: float, end: float) -> None:
    path = sample_videos.encode(tmp_path / "film.mp4", sample_videos.numbered(36), options=sample_videos.GROUPED)
    film = everything(path)
    (clip,) = cut_moments(path, [(start, end)], tmp_path / "clips", exact=True)
    made, own = everything(clip.path), np.flatnonzero((film.times >= start) & (film.times < end))
    assert sample_videos.numbers(made.frames) == own.tolist()
    np.testing.assert_allclose(made.times, film.times[own] - film.times[own[0]], atol=NOISE)
    assert (clip.start, clip.lossless, clip.remark) == (film.times[own[0]], False, "")
    assert clip.end == pytest.approx((own[-1] + 1) / 25)


def test_a_copy_that_begins_long_before_its_range_says_so(tmp_path: Path) -> None:
    path = sample_videos.encode(
        tmp_path / "film.mp4", sample_videos.numbered(36), options={"g": "100"}, millis=range(0, 7200, 200)
    )
    near, far = cut_moments(path, [(1.8, 2.4), (5.0, 6.0)], tmp_path / "clips")
    assert (near.start, near.remark) == (0.0, "")
    assert (far.start, far.remark) == (0.0, "begins 5.0 s early, at the last keyframe")


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    millis = [0, 40, 50, 250, 251, 700, 1000, 1040, 1500, 1533]
    path = sample_videos.encode(tmp_path / "film.mkv", sample_videos.numbered(10), options={"g": "3"}, millis=millis)
    film = everything(path)
    (copy,) = cut_moments(path, [(0.05, 1.1)], tmp_path / "clips")
    copies(film, copy)
    (clip,) = cut_moments(path, [(0.05, 1.1)], tmp_path / "clips", exact=True)
    np.testing.assert_allclose(everything(clip.path).times, film.times[2:8] - 0.05, atol=1e-4)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("exact", [False, True])
def test_clips_are_upright_with_the_pixels_aspect(tmp_path: Path, turn: int, exact: bool) -> None:
    path = tmp_path / "film.mp4"
    sample_videos.encode(path, sample_videos.ramp(8), options={"g": "4", "qp": "4"}, turn=turn, aspect=Fraction(4, 3))
    film = everything(path)
    (clip,) = cut_moments(path, [(0.2, 0.3)], tmp_path / "clips", exact=exact)
    made = everything(clip.path)
    assert clip.lossless is not exact
    assert made.frames.shape[1:] == film.frames.shape[1:]
    assert np.abs(made.frames[0].astype(int) - film.frames[5]).mean() < 3
    assert made.pixel_aspect == pytest.approx(film.pixel_aspect, abs=1e-3)


@pytest.mark.parametrize("name", ["hflip_matrix.mp4", "cover_first.mp4", "no_stss_mpeg4.mp4", "paff_fields.mp4"])
@pytest.mark.parametrize("exact", [False, True])
def test_strange_files_give_the_frames_that_they_show(data_dir: Path, tmp_path: Path, name: str, exact: bool) -> None:
    path = data_dir / "videos" / "trials" / name
    film = everything(path)
    start, end = float(film.times[3]), float(film.times[-2])
    (clip,) = cut_moments(path, [(start, end)], tmp_path, exact=exact)
    made = everything(clip.path)
    if clip.lossless:
        copies(film, clip)
    else:
        assert len(made.frames) == len(film.frames) - 5
        assert np.abs(made.frames.astype(int) - film.frames[3:-2]).mean() < 5
    assert clip.lossless is not exact or clip.remark


@pytest.mark.parametrize(
    ("name", "ending", "lossless"),
    [
        ("natural/bears.mp4", ".mp4", True),
        ("natural/flipping_a_pancake.mkv", ".mkv", True),
        ("natural/talking_head_a.mpg", ".mkv", True),
        ("natural/eye_makeup.avi", ".mp4", False),
        ("odd/big_buck_bunny_432_433.webm", ".webm", True),
        ("odd/test_non_zero_start.mp4", ".mp4", True),
        ("odd/video_90.mov", ".mov", True),
        ("odd/h265_10bits.mp4", ".mp4", True),
        ("odd/testsrc2_av1_10bit.mp4", ".mp4", True),
        ("odd/pigs_in_a_polka.gif", ".mp4", False),
        ("trials/concat.ts", ".mp4", False),
    ],
)
def test_containers_and_codecs(data_dir: Path, tmp_path: Path, name: str, ending: str, lossless: bool) -> None:
    path = data_dir / "videos" / name
    with OpenVideo(VideoRef(name, path)) as opened:
        times = opened.times()
        middle = len(times) // 2
        frame = opened.read(np.array([middle])).frames[0]
    (clip,) = cut_moments(path, [(float(times[middle]), float(times[middle]) + 0.05)], tmp_path)
    assert (clip.path.suffix, clip.lossless, bool(clip.remark)) == (ending, lossless, not lossless)
    with OpenVideo(VideoRef(name, clip.path)) as opened:
        place = int(np.argmin(np.abs(opened.times() - (times[middle] - clip.start))))
        made = opened.read(np.array([place])).frames[0]
    assert np.abs(made[: len(frame)].astype(int) - frame[: len(made)]).mean() < (1e-9 if lossless else 6)


@pytest.mark.parametrize(
    ("name", "codec", "form"), [("a.mp4", "aac", None), ("a.mkv", "pcm_s16le", None), ("a.ts", "aac", None)]
)
@pytest.mark.parametrize("exact", [False, True])
def test_the_sound_stays_with_the_pictures(
    tmp_path: Path, name: str, codec: str, form: str | None, exact: bool
) -> None:
    path = clicking(tmp_path / name, codec=codec, form=form, begins=3.0)
    (clip,) = cut_moments(path, [(1.6, 3.1)], tmp_path / "clips", exact=exact)
    assert (clip.start, clip.end) == ((1.6, 3.12) if exact else (1.6, pytest.approx(3.12, abs=0.09)))
    assert clip.remark == ""
    expected = [time - clip.start for time in (1.75, 2.25, 2.75)]
    assert heard_clicks(clip.path) == pytest.approx(expected, abs=0.004)


def test_the_sound_begins_and_ends_with_the_pictures(tmp_path: Path) -> None:
    path = clicking(tmp_path / "film.mp4")
    for clip in cut_moments(path, [(0.9, 2.1)], tmp_path) + cut_moments(path, [(0.9, 2.1)], tmp_path, exact=True):
        with sample_videos.av.open(str(clip.path)) as made:
            sound = made.streams.audio[0]
            assert 0 <= sound.start_time * sound.time_base < 0.022  # a frame of AAC
            assert float(sound.duration * sound.time_base) == pytest.approx(clip.end - clip.start, abs=0.045)


def test_a_video_without_sound_gives_a_clip_without(tmp_path: Path) -> None:
    path = sample_videos.encode(tmp_path / "film.mp4", sample_videos.numbered(10))
    for exact in (False, True):
        (clip,) = cut_moments(path, [(0.0, 0.3)], tmp_path, exact=exact)
        with sample_videos.av.open(str(clip.path)) as made:
            assert len(made.streams) == 1


def test_damaged_sound_spoils_no_picture(tmp_path: Path) -> None:
    path = clicking(tmp_path / "film.mkv", codec="libopus")
    with sample_videos.av.open(str(path)) as container:
        spots = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size > 40]
    content = bytearray(path.read_bytes())
    for position, size in spots[20:40]:
        place = content.find(bytes(content[position : position + size])[8:], position)
        content[place : place + size - 8] = b"\xff" * (size - 8)
    path.write_bytes(content)
    (clip,) = cut_moments(path, [(0.2, 2.0)], tmp_path / "clips", exact=True)
    assert len(everything(clip.path).frames) == 45


def test_where_the_clock_jumps_the_pictures_go_on_without_sound(tmp_path: Path) -> None:
    parts = [clicking(tmp_path / f"{begins}.ts", seconds=2.0, begins=begins) for begins in (100.0, 1.0)]
    path = tmp_path / "film.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    (clip,) = cut_moments(path, [(1.5, 2.5)], tmp_path / "clips")
    assert not clip.lossless
    assert "its clock jumps, so it has no sound" in clip.remark
    levels = np.rint((everything(clip.path).frames.astype(float).mean((1, 2, 3)) - 30) / 2)
    assert levels.tolist() == pytest.approx([*range(38, 50), *range(13)], abs=1)


def test_a_file_too_large_to_be_held_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sample_videos.encode(tmp_path / "film.mp4", sample_videos.noise(40))
    film = everything(path)
    monkeypatch.setattr(packet_source, "KEPT_BYTES", 0)
    for clip in cut_moments(path, RANGES, tmp_path / "clips"):
        copies(film, clip)


@given(st.permutations(range(12)).map(np.array), st.integers(1, 900))
def test_packets_are_decoded_in_order_and_never_after_they_are_shown(order: np.ndarray, tick: int) -> None:
    pts = order.astype(np.int64) * tick
    dts = decode_stamps(pts)
    assert (np.diff(dts) > 0).all()
    assert (dts <= pts).all()
    later = np.append(dts[1:], dts[-1] + tick)
    assert (later > pts).any()  # no sooner than it must be


def test_no_file_is_overwritten_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = sample_videos.encode(tmp_path / "film.mp4", sample_videos.numbered(20))
    folder = tmp_path / "a" / "clips"
    (first,) = cut_moments(path, [(0.04, 0.4)], folder)
    assert first.path == folder / "film_0m00.0s-0m00.4s.mp4"
    first.path.write_bytes(b"mine")
    found = cut_moments(path, [(0.04, 0.4), (0.04, 0.4)], folder)
    names = sorted(file.name for file in folder.iterdir())
    assert names == ["film_0m00.0s-0m00.4s.mp4", "film_0m00.0s-0m00.4s_2.mp4", "film_0m00.0s-0m00.4s_3.mp4"]
    assert [clip.path.name for clip in found] == names[1:]
    assert first.path.read_bytes() == b"mine"


def test_it_works_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    path = sample_videos.encode(tmp_path / "film.mp4", sample_videos.numbered(20))
    monkeypatch.setattr(os, "link", refused)
    clips = cut_moments(path, [(0.0, 0.4), (0.0, 0.4)], tmp_path / "clips")
    assert [clip.path.is_file() for clip in clips] == [True, True]
    assert len(list((tmp_path / "clips").iterdir())) == 2


@pytest.mark.parametrize("name", ["-dash", ".hidden", "a:b?*", "\u65e5" * 70, "two  words", "'quoted'"])
def test_names_are_kept_as_far_as_every_file_system_takes_them(tmp_path: Path, name: str) -> None:
    path = sample_videos.encode(tmp_path / f"{name}.mp4", sample_videos.numbered(5))
    (clip,) = cut_moments(path, [(0.0, 0.2)], tmp_path / "clips")
    assert not set(clip.path.name) & set('<>:"/\\|?*')
    assert clip.path.name[0] not in ".-"
    assert len(os.fsencode(clip.path.name)) < 200


@pytest.mark.parametrize(
    ("seconds", "name", "shown"),
    [
        (4.5, "0m04.5s", "0:04.5"),
        (59.96, "1m00.0s", "1:00"),
        (754.0, "12m34.0s", "12:34"),
        (3605.5, "1h00m05.5s", "1:00:05.5"),
        (-0.7, "0m00.0s", "0:00"),
    ],
)
def test_times_in_names_and_on_screens(seconds: float, name: str, shown: str) -> None:
    assert (clock_name(seconds), clock(seconds)) == (name, shown)


def test_faults_are_told(tmp_path: Path) -> None:
    path = sample_videos.encode(tmp_path / "film.mp4", sample_videos.numbered(20))
    with pytest.raises(VideoError, match="no such file"):
        cut_moments(tmp_path / "nowhere.mp4", [(0, 1)], tmp_path)
    with pytest.raises(VideoError, match="has none of its 20 frames"):
        cut_moments(path, [(0, 0.1), (5, 6)], tmp_path / "clips")
    assert not (tmp_path / "clips").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(FdakitError, match="cannot be written"):
        cut_moments(path, [(0, 0.1)], tmp_path / "file")
    with pytest.raises(VideoError, match="decoding fails"):
        cut_moments(video_faults.holed_film(tmp_path / "holed.mp4"), [(0.2, 1.2)], tmp_path / "clips", exact=True)
    assert list((tmp_path / "clips").iterdir()) == []


@pytest.mark.parametrize("exact", [False, True])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact: bool) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = sample_videos.encode(tmp_path / "film.mp4", sample_videos.numbered(20))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FdakitError, match="No space left"):
        cut_moments(path, [(0.0, 0.4)], tmp_path / "clips", exact=exact)
    assert list((tmp_path / "clips").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_while_a_clip_is_written(tmp_path: Path) -> None:
    path = sample_videos.encode(tmp_path / "film.mp4", sample_videos.noise(60))
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / f".clip.{os.getpid()}.part").symlink_to("/dev/full")
    with pytest.raises(FdakitError, match="No space left"):
        cut_moments(path, [(0.0, 2.0)], folder)
