"""The other readers: who is installed, and that each gives the frames it is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from helpers.sample_videos import encode, noise, numbered, numbers

from fdakit import FdakitError, VideoError
from fdakit.bench.peers import DECODERS, OPENCV, TORCHCODEC, Peer, find_peers, read_opencv
from fdakit.system.optional_libraries import library_fault

ABSENT = Peer("absent", ("absent",), "no_such_module", OPENCV.read)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 numbered frames, 25 a second, with B-frames and a keyframe every 12."""
    path = tmp_path_factory.mktemp("peers") / "clip.mp4"
    encode(path, numbered(36))
    return path


def installed(peer: Peer) -> Peer:
    if fault := library_fault(peer.module):
        pytest.skip(fault)
    return peer


@pytest.mark.parametrize("peer", DECODERS, ids=lambda peer: peer.name)
def test_each_gives_rgb_frames_at_the_indices_it_names(peer: Peer, clip: Path) -> None:
    seen = installed(peer).read(clip, 12)
    assert seen.frames.dtype == np.uint8
    assert seen.frames.shape == (len(seen.indices), 48, 64, 3)
    assert numbers(seen.frames) == seen.indices.tolist()
    wanted = [0, 25] if peer.slow else list(range(1, 36, 3))
    assert seen.indices.tolist() == wanted


@pytest.mark.parametrize("peer", DECODERS, ids=lambda peer: peer.name)
def test_colours_are_in_the_order_of_rgb(peer: Peer, tmp_path: Path) -> None:
    path = tmp_path / "red.mp4"
    encode(path, np.broadcast_to(np.array([220, 40, 60], np.uint8), (3, 48, 64, 3)))
    red, green, blue = installed(peer).read(path, 12).frames.mean(axis=(0, 1, 2))
    assert red > 200
    assert green < blue < 80


@pytest.mark.parametrize("peer", DECODERS, ids=lambda peer: peer.name)
def test_what_is_no_video_is_refused(peer: Peer, tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    with pytest.raises(Exception) as caught:
        installed(peer).read(path, 12)
    assert str(caught.value)


def test_opencv_that_counts_more_than_it_reads_fails_instead_of_giving_less(tmp_path: Path) -> None:
    installed(OPENCV)
    cut = tmp_path / "cut.avi"
    encode(cut, noise(36), codec="mjpeg", options={})
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    with pytest.raises(VideoError, match=r"OpenCV counts 36 frames and ends at frame \d+"):
        OPENCV.read(cut, 12)


def test_what_is_absent_is_left_out_and_named() -> None:
    found = find_peers([ABSENT], None)
    assert (dict(found.peers), dict(found.modules), dict(found.versions)) == ({}, {}, {})
    assert found.absent == {"absent": "no_such_module cannot be imported (No module named 'no_such_module')"}


def test_torchcodec_without_ffmpeg_is_left_out_with_what_to_install(without_ffmpeg: None) -> None:
    found = find_peers([TORCHCODEC], None)
    assert found.peers == {}
    (reason,) = found.absent.values()
    assert reason.startswith("torchcodec cannot load its libraries (Could not load libtorchcodec); install FFmpeg's")
    with pytest.raises(FdakitError, match=r"^bench: peer 'torchcodec': .*; install FFmpeg's .*; leave it out of --p"):
        find_peers([TORCHCODEC], ["torchcodec"])


def test_what_is_asked_for_must_be_there() -> None:
    with pytest.raises(FdakitError, match=r"peer 'absent': no_such_module .*pip install \"fdakit\[bench\]\""):
        find_peers([ABSENT], ["absent"])
    with pytest.raises(FdakitError, match="no peer 'absnt'; did you mean 'absent'"):
        find_peers([ABSENT], ["absnt"])
    assert not find_peers([ABSENT], []).absent


def test_opencv_is_handed_no_name_that_crashes_it(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    path.write_bytes(b"x")
    with pytest.raises(VideoError, match="a name that is not UTF-8"):
        read_opencv(path, 2)
