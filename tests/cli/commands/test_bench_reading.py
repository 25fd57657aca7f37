"""`fdakit bench decode` and `fdakit bench load`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from helpers.cli_output import Tell


def test_decode_prints_tables_and_tells_progress(tell: Tell, clips: Path) -> None:
    told = tell("bench", "decode", str(clips / "pink-down.mp4"), "--rounds", "1", "--frames", "3", "--peers", "")
    assert told.code == 0
    for words in ("milliseconds a clip", "pink-down.mp4", "seconds of a peer / seconds of fdakit", "fastest peer"):
        assert words in told.out
    assert told.err == "clip 1 of 1: pink-down.mp4\n"


def test_decode_json_holds_clips_and_summary(tell: Tell, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    told = tell("bench", "decode", str(clips), "--rounds", "1", "--json", "--out", str(out))
    found = told.json
    assert json.loads(out.read_text()) == found
    assert len(found["clips"]) == 8
    for clip in found["clips"]:
        assert {"path", "frames", "seconds", "failed"} <= set(clip)
    for key in ("total_ratio", "median_ratio", "minimum_ratio"):
        assert f"{key}_to_fastest_peer" in found["summary"]
        assert all(key in peer for peer in found["summary"]["peers"].values())


def test_load_prints_markdown(tell: Tell, clips: Path) -> None:
    told = tell("bench", "load", str(clips / "pink-down.mp4"), "--rounds", "1", "--size", "32", "--markdown")
    assert told.code == 0
    assert told.out.startswith("| clips | peer | count | total | median | minimum |\n|---|")
    assert "| without / with a warm frame store | fdakit | 1 |" in told.out


def test_the_long_clip_is_rendered_into_the_cache(
    tell: Tell, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fdakit.bench import long_clip

    made: list[Path] = []

    def make(cache: Path, **options: object) -> Path:
        made.append(cache)
        return clips / "blue-down.mp4"

    monkeypatch.setattr(long_clip, "make_long_clip", make)
    monkeypatch.setenv("FDAKIT_CACHE", str(tmp_path))
    told = tell("bench", "decode", str(clips / "pink-down.mp4"), "--rounds", "1", "--peers", "", "--long", "--json")
    assert told.json["long"]["path"].endswith("blue-down.mp4")
    assert made == [tmp_path]
    assert told.err.splitlines()[-1] == "clip 2 of 2: blue-down.mp4"


def test_what_is_wrong_is_said_before_anything_is_measured(
    tell: Tell, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    clip = str(clips / "pink-down.mp4")
    for arguments, words in (
        (("decode", clip, "--peers", "torchcodek"), "no peer 'torchcodek'; did you mean 'torchcodec'"),
        (("load", clip, "--peers", "decord"), "no peer 'decord'; known: clip4clip, torchcodec"),
        (("decode", str(tmp_path)), "no video in this folder"),
        (("decode", clip, "--plot", str(tmp_path / "a.png")), "--plot needs matplotlib"),
        (("decode", clip, "--out", str(tmp_path / "absent" / "a.json")), "no such folder"),
        (("decode",), "Missing argument"),
    ):
        told = tell("bench", *arguments)
        assert (told.code, told.out) == (2, "")
        assert words in told.err
        assert "clip 1" not in told.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_no_peer_waits_for_a_pipe(tell: Tell, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    told = tell("bench", "decode", str(tmp_path / "pipe.mp4"), "--rounds", "1")
    assert told.code == 0
    assert "is a FIFO (named pipe), where a regular file is read" in " ".join(told.out.split())
