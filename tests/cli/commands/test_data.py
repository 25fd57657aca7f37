"""`fdakit data check`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers import video_faults
from helpers.cli_output import Tell

from fdakit.dataset_files.damage_ledger import Ledger


@pytest.fixture
def films(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sound film, one with a hole and one that is none; the cache folder lies beside it."""
    monkeypatch.setenv("FDAKIT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy(clips / "red-across.mp4", folder / "sound.mp4")
    video_faults.holed_film(folder / "holed.mp4")
    (folder / "none.mp4").write_bytes(b"no film")
    return folder


@pytest.mark.integration
def test_a_table_of_counts_and_the_damaged_ones_with_reasons(tell: Tell, films: Path, tmp_path: Path) -> None:
    told = tell("data", "check", str(films), "--jobs", "1")
    assert told.code == 0
    for words in (
        "ok 1 every frame decodes",
        "repaired 1 some frames decode",
        "unreadable 1 no frame decodes",
        "all 3",
        "holed.mp4 repaired 18 of 20 decoding fails",
        "none.mp4 unreadable 0 of 0 cannot be opened as a video",
        f"ledger: {tmp_path / 'cache' / 'ledger.sqlite'}",
    ):
        assert words in " ".join(told.out.split()), words
    assert "sound.mp4" not in told.out
    assert told.err.splitlines() == ["checking videos: 0/3", "checking videos: 3/3"]
    again = tell("data", "check", str(films))
    assert "3 of them had not changed" in again.out


@pytest.mark.integration
def test_videos_that_are_read_otherwise_than_stated_are_counted(tell: Tell, films: Path, data_dir: Path) -> None:
    for name in ("h264_bframes.avi", "concat.ts", "hflip_matrix.mp4", "open_gop_cut_h264.ts"):
        shutil.copy(data_dir / "videos/trials" / name, films)
    shutil.copy(data_dir / "videos/odd/nonmonotonic_pts.avi", films)
    told = " ".join(tell("data", "check", str(films)).out.split())
    assert "ok 6 every frame decodes" in told
    assert "2 its container does not say when frames are shown" in told
    assert "1 its time starts again" in told
    assert "1 its display matrix mirrors it" in told
    videos = {Path(video["path"]).name: video for video in tell("data", "check", str(films), "--json").json["videos"]}
    assert videos["sound.mp4"]["remarks"] == videos["open_gop_cut_h264.ts"]["remarks"] == []
    assert len(videos["concat.ts"]["remarks"]) == 1


@pytest.mark.integration
def test_json_has_every_video_and_a_summary(tell: Tell, films: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.sqlite"
    told = tell("data", "check", str(films), "--json", "--ledger", str(mine))
    videos = {Path(video["path"]).name: video for video in told.json["videos"]}
    assert {name: (v["status"], v["frames"]) for name, v in videos.items()} == {
        "holed.mp4": ("repaired", 18),
        "none.mp4": ("unreadable", 0),
        "sound.mp4": ("ok", 12),
    }
    assert videos["sound.mp4"]["reason"] == ""
    summary = told.json["summary"]
    assert {key: summary[key] for key in ("videos", "ok", "repaired", "unreadable", "unchanged")} == {
        "videos": 3,
        "ok": 1,
        "repaired": 1,
        "unreadable": 1,
        "unchanged": 0,
    }
    assert summary["ledger"] == str(mine)
    assert len(Ledger(mine).find(films.iterdir())) == 3
    assert tell("data", "check", str(films), "--json", "--ledger", str(mine)).json["summary"]["unchanged"] == 3
    anew = tell("data", "check", str(films), "--json", "--ledger", str(mine), "--again").json
    assert anew["summary"]["unchanged"] == 0
    assert anew["videos"] == told.json["videos"]


def test_bad_arguments_are_worded(tell: Tell, films: Path, tmp_path: Path) -> None:
    for arguments, words in (
        ((str(tmp_path / "gone"),), "no such file or folder"),
        ((str(films), "--ledger", str(films / "none.mp4")), "no ledger of this fdakit"),
        ((str(films), "--jobs", "0"), "--jobs"),
        ((str(films), "--set", "seed=1"), "none is checked here"),
        ((), "Missing argument"),
    ):
        told = tell("data", "check", *arguments)
        assert (told.code, told.out) == (2, ""), arguments
        assert words in told.err


def test_ctrl_c_says_that_nothing_is_lost(tell: Tell, films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fdakit.dataset_tools import video_scan

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(video_scan, "run_isolated", interrupted)
    told = tell("data", "check", str(films))
    assert (told.code, told.out) == (130, "")
    assert "what was found is kept" in told.err
