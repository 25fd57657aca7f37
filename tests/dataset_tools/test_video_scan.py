"""Checking videos: each is told for what it is, nothing stops the scan, and a second one reads what has changed."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers import video_faults

from fdakit.dataset_files.damage_ledger import Finding, Ledger
from fdakit.dataset_tools.video_scan import ScanResult, scan_video, scan_videos, usable_cores

pytestmark = pytest.mark.integration

SLEEPS, DIES, FINE = "sleep 60.mp4", f"die {video_faults.CRASH}.mp4", "fine.mp4"


def silent(what: str, done: int, total: int) -> None:
    """No progress."""


def check(paths: Sequence[Path], folder: Path, **also: Any) -> ScanResult:
    given = {"jobs": 2, "time_limit": 60.0, "progress": silent, **also}
    return scan_videos(paths, ledger=Ledger(folder / "ledger.sqlite"), **given)


@pytest.fixture
def films(clips: Path, tmp_path: Path) -> list[Path]:
    """A sound film, one with a hole, one that is none, and one that is not there."""
    sound = tmp_path / "sound.mp4"
    shutil.copy(clips / "red-across.mp4", sound)
    none = tmp_path / "none.mp4"
    none.write_bytes(b"no film")
    return [sound, video_faults.holed_film(tmp_path / "holed.mp4"), none, tmp_path / "absent.mp4"]


def test_each_is_told_for_what_it_is(films: list[Path], tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    checked = check(films, tmp_path, progress=lambda what, done, total: heard.append((done, total)))
    sound, holed, none, absent = checked.findings.values()
    assert list(checked.findings) == films
    assert sound == Finding("ok", "", 12, 12, 11 / 8, "h264", 64, 48, 0)
    assert (holed.status, holed.promised, holed.decoded, holed.codec) == ("repaired", 20, 18, "h264")
    assert holed.reason.startswith("decoding fails: invalid data")
    assert (none.status, none.decoded) == ("unreadable", 0)
    assert none.reason.startswith("cannot be opened as a video")
    assert absent.reason.startswith("no such file")
    assert heard == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert checked.counts() == {"ok": 1, "repaired": 1, "unreadable": 2}


def test_a_second_scan_looks_only_at_what_changed(films: list[Path], tmp_path: Path) -> None:
    first = check(films, tmp_path)
    assert first.known == 0
    second = check(films, tmp_path, look=video_faults.look)  # would find everything sound
    assert second.known == 3
    assert second.findings[films[0]] == first.findings[films[0]]
    assert second.findings[films[3]].status == "ok"  # an absent file is never known
    os.utime(films[1], ns=(0, 1))
    assert check(films[:3], tmp_path, look=video_faults.look).counts() == {"ok": 2, "repaired": 0, "unreadable": 1}
    assert check(films[:3], tmp_path, look=video_faults.look, again=True).counts()["ok"] == 3


@pytest.mark.skipif(sys.platform == "win32", reason="ends by signal")
def test_a_file_that_hangs_or_crashes_is_unreadable_and_the_rest_goes_on(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in (SLEEPS, FINE, DIES, "more.mp4")]
    for path in paths:
        path.touch()
    checked = check(paths, tmp_path, look=video_faults.look, time_limit=1.0)
    assert [finding.status for finding in checked.findings.values()] == ["unreadable", "ok", "unreadable", "ok"]
    assert checked.findings[paths[0]].reason == "took longer than 1 s and was stopped"
    assert checked.findings[paths[2]].reason == "its reading process crashed (SIGSEGV)"
    assert Ledger(tmp_path / "ledger.sqlite").find(paths) == checked.findings


INTERRUPTED = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite started in the background ignores it
sys.path.insert(0, sys.argv[1])
from helpers import video_faults
from fdakit.dataset_files.damage_ledger import Ledger
from fdakit.dataset_tools.video_scan import scan_videos
if __name__ == "__main__":
    paths = sorted(Path(sys.argv[2]).glob("*.mp4"))
    tell = lambda what, done, total: print(done, flush=True)
    scan_videos(paths, ledger=Ledger(Path(sys.argv[2], "ledger.sqlite")), jobs=2, time_limit=0, progress=tell,
                 look=video_faults.look)
"""


@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="stops by signal")
@pytest.mark.parametrize("number", [2, 9], ids=["Ctrl-C", "kill"])
def test_what_was_found_before_a_stop_is_kept(tmp_path: Path, number: int) -> None:
    paths = [tmp_path / name for name in ("a.mp4", "b.mp4", "c.mp4", "sleep 600.mp4")]
    for path in paths:
        path.touch()
    script = tmp_path / "scan.py"
    script.write_text(INTERRUPTED)
    arguments = [sys.executable, str(script), str(Path(video_faults.__file__).parents[1]), str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as scan:
        assert scan.stdout is not None
        for line in scan.stdout:
            if line.strip() == "3":
                break
        started = time.monotonic()
        scan.send_signal(number)
        scan.wait(timeout=60)
        assert time.monotonic() - started < 60
    found = Ledger(tmp_path / "ledger.sqlite").find(paths)
    assert list(found) == paths[:3]


def test_every_odd_file_ends_as_its_index_says(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "videos" / "odd"
    with (folder / "odd.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    checked = check([folder / row["path"] for row in rows], tmp_path, jobs=usable_cores())
    for row in rows:
        finding = checked.findings[folder / row["path"]]
        if row["expected"] == "ok":
            assert (finding.status, finding.decoded) == ("ok", int(row["frames"])), row["path"]
            assert str(finding.rotation) in (row["rotation_clockwise"] or "0", "0"), row["path"]
        elif int(row["frames_skipping_errors"] or 0):
            assert finding.status == "repaired", row["path"]
            assert 0 < finding.decoded <= int(row["frames_skipping_errors"]), row["path"]
        else:
            assert (finding.status, finding.decoded) == ("unreadable", 0), row["path"]
        assert bool(finding.reason) == (finding.status != "ok"), row["path"]


def test_rotation_is_clockwise(data_dir: Path) -> None:
    for turn in (0, 90, 180, 270):
        assert scan_video(data_dir / "videos" / "odd" / f"video_{turn}.mov").rotation == turn
