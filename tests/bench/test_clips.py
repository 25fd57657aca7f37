"""Clips side by side: what is found, compared, named as failing, and kept after Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fdakit import DatasetError, VideoError
from fdakit.bench.clips import Own, ReaderTimes, one_thread, spread, time_clips
from fdakit.bench.ratios import OURS
from fdakit.dataset_files.video_files import find_clips

FILES = [Path("a.mp4"), Path("b.mp4")]

PICTURES = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 6, 3), np.uint8)


@pytest.fixture(autouse=True)
def _files_are_there(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only regular files are read; what is in them is the stand-ins' business."""
    monkeypatch.chdir(tmp_path_factory.mktemp("clips"))
    for path in (*FILES, Path("c.mp4")):
        path.touch()


def own(reads: Mapping[str, Callable[[Path], Any]] | None = None) -> Own:
    """Ten frames of 4 x 6 px, frame i all i."""
    return Own(
        reads or {OURS: lambda path: PICTURES[:2]}, count=lambda path: 10, at=lambda path, indices: PICTURES[indices]
    )


def seen(*indices: int, shift: int = 0) -> ReaderTimes:
    return ReaderTimes(np.array(indices), PICTURES[np.array(indices)] + np.uint8(shift))


def test_folders_are_searched_and_files_taken_as_they_are(tmp_path: Path) -> None:
    for name in ("deep/b.MKV", "a.mp4", "notes.tsv", "odd.video"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_clips([tmp_path / "odd.video", tmp_path]) == (
        tmp_path / "odd.video",
        tmp_path / "a.mp4",
        tmp_path / "deep/b.MKV",
    )
    assert find_clips([tmp_path / "a.mp4", tmp_path / "a.mp4"]) == (tmp_path / "a.mp4",)


def test_nothing_to_measure_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no video in this folder; wanted \.mp4"):
        find_clips([tmp_path])
    with pytest.raises(DatasetError, match=r"absent: no such file or folder"):
        find_clips([tmp_path / "absent"])


@pytest.mark.parametrize("count", [1, 11, 12, 13, 100, 1001])
def test_indices_are_the_middles_of_equal_parts(count: int) -> None:
    indices = spread(count, 12)
    assert len(indices) == min(count, 12)
    assert (np.diff(indices) > 0).all()
    middles = (np.arange(len(indices)) + 0.5) * count / len(indices)
    assert np.abs(indices + 0.5 - middles).max() <= 0.5


def test_a_wrong_frame_shows_and_frames_that_cannot_be_compared_say_why() -> None:
    peers = {
        "right": lambda path: seen(0, 9),
        "brighter": lambda path: seen(0, 9, shift=3),
        "late": lambda path: ReaderTimes(np.array([2]), PICTURES[[3]]),
        "more": lambda path: ReaderTimes(np.array([10]), PICTURES[[9]]),
        "turned": lambda path: ReaderTimes(np.array([2]), PICTURES[[2]].transpose(0, 2, 1, 3)),
    }
    (clip,), stopped = time_clips(FILES[:1], own(), peers, rounds=1)
    assert not stopped
    assert clip["frames"] == 10
    assert clip["differences"] == {
        "right": 0,
        "brighter": 3,
        "late": 1,
        "more": "gives a frame 10, fdakit counts 10 frames",
        "turned": "frames of (6, 4), fdakit of (4, 6) (height, width)",
    }
    assert set(clip["seconds"]) == {OURS, *peers}


def test_a_reader_that_fails_is_named_and_the_others_go_on() -> None:
    calls = {"failing": 0}

    def failing(path: Path) -> ReaderTimes:
        calls["failing"] += 1
        raise RuntimeError("no such codec")

    (clip,), _ = time_clips(FILES[:1], own(), {"failing": failing, "right": lambda path: seen(1)}, rounds=3)
    assert clip["failed"] == {"failing": "failing failed on a.mp4: RuntimeError: no such codec"}
    assert set(clip["seconds"]) == {OURS, "right"}
    assert calls == {"failing": 1}


def test_what_fdakit_cannot_read_is_not_timed() -> None:
    def failing(path: Path) -> None:
        raise VideoError(f"{path}: cut off")

    told: list[Path] = []
    clips, _ = time_clips(FILES, own({OURS: failing}), {"p": lambda path: seen(1)}, rounds=1, progress=told.append)
    assert [clip["failed"] for clip in clips] == [{OURS: "a.mp4: cut off"}, {OURS: "b.mp4: cut off"}]
    assert all(clip["frames"] is None and clip["seconds"] == {} for clip in clips)
    assert told == FILES


@pytest.mark.parametrize(("calls", "clips"), [(6, 1), (12, 2)])
def test_ctrl_c_keeps_the_clips_that_were_measured(calls: int, clips: int) -> None:
    """Five calls a clip: one that is not timed and four rounds; the stop falls before or in a clip's rounds."""
    left = [calls - 1]

    def read(path: Path) -> NDArray[np.uint8]:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return PICTURES

    kept, stopped = time_clips([*FILES, Path("c.mp4")], own({OURS: read}), {}, rounds=4)
    assert stopped
    assert [clip["path"] for clip in kept] == [str(path) for path in FILES[:clips]]


def test_ctrl_c_at_the_first_clip_is_ctrl_c() -> None:
    def read(path: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        time_clips(FILES, own({OURS: read}), {}, rounds=1)


def test_threads_are_one_inside_and_as_before_afterwards() -> None:
    import torch

    class OpenCv:
        threads = 8

        def getNumThreads(self) -> int:  # noqa: N802 - OpenCV's names
            return self.threads

        def setNumThreads(self, threads: int) -> None:  # noqa: N802
            self.threads = threads

    before, library = torch.get_num_threads(), OpenCv()
    with pytest.raises(ZeroDivisionError), one_thread([library, object()]):
        assert (torch.get_num_threads(), library.threads) == (1, 1)
        raise ZeroDivisionError
    assert (torch.get_num_threads(), library.threads) == (before, 8)
