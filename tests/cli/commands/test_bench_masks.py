"""`fdakit bench masks`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from helpers.cli_output import Tell

SMALL = ("bench", "masks", "--size", "48", "--clips", "2", "--frames", "4", "--rounds", "1", "--condition", "pan-2")
TWO = ("--mask", "frame-difference threshold=10", "--mask", "whole-frame", "--peers", "")


def test_tables_notes_and_progress(tell: Tell) -> None:
    told = tell(*SMALL, *TWO)
    assert told.code == 0
    for words in (
        "IoU: what both mark",
        "precision: what moves of what is marked",
        "recall: what is marked of what moves",
        "frame-difference threshold=10 ",
        " whole-frame ",
        " pan-2 ",
        "2 clips a condition, 4 frames of each at 48 px",
    ):
        assert words in told.out
    assert told.err.splitlines()[-1] == "condition 1 of 1"


def test_json_and_the_file_hold_the_same(tell: Tell, tmp_path: Path) -> None:
    told = tell(*SMALL, *TWO, "--json", "--out", str(tmp_path / "found.json"))
    assert json.loads((tmp_path / "found.json").read_text()) == told.json
    difference, frame = told.json["results"]
    assert (difference["mask"], difference["options"]["threshold"]) == ("frame-difference threshold=10", 10)
    assert (frame["recall"], frame["precision"]) == (1, frame["truth"])
    assert told.json["conditions"]["pan-2"]["options"] == {"pan": 2.0}


def test_all_installed_masks_and_peers_stand_where_none_is_named(tell: Tell) -> None:
    pytest.importorskip("cv2")
    found = tell(*SMALL, "--gap", "3", "--json").json
    masks = {row["mask"]: row for row in found["results"]}
    assert {"frame-difference", "whole-frame"} <= {name for name, row in masks.items() if not row["peer"]}
    peers = {name for name, row in masks.items() if row["peer"]}
    assert peers == {"opencv-difference", "opencv-aligned", "opencv-mog2"}
    assert masks["frame-difference"]["options"]["gap"] == 3
    assert set(found["failed"]) == {"files"}, "which reads masks that were made for videos in files"


def test_markdown(tell: Tell) -> None:
    told = tell(*SMALL, *TWO, "--markdown")
    assert told.code == 0
    assert told.out.count("| mask | ms | pan-2 |\n|---|---:|---:|\n") == 3


def test_tables_are_parted_where_the_terminal_is_narrow(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    told = tell(*SMALL, *TWO, "--condition", "cut", "--condition", "low-contrast")
    assert "recall: what is marked of what moves (continued)" in " ".join(told.out.split())
    assert max(map(len, told.out.partition("2 clips")[0].splitlines())) <= 60


def test_ctrl_c_keeps_what_is_measured(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    from fdakit.bench import masks

    run = masks._Trial.run

    def stopped(trial: masks._Trial, condition: str, clips: object) -> bool:
        if condition == "cut":
            raise KeyboardInterrupt
        return run(trial, condition, clips)  # type: ignore[arg-type]

    monkeypatch.setattr(masks._Trial, "run", stopped)
    told = tell(*SMALL, "--condition", "cut", *TWO)
    assert told.code == 130
    assert "IoU" in told.out
    assert told.err.splitlines()[-1] == "stopped after 1 of 2 conditions"


def test_what_is_wrong_is_said_before_anything_is_measured(
    tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for arguments, words in (
        (("--mask", "frame-diff"), "bench: mask.use: unknown mask 'frame-diff'; did you mean 'frame-difference'"),
        (("--condition", "pann-2"), "no condition 'pann-2'; did you mean 'pan-2'"),
        (("--peers", "opencv-mok"), "no peer 'opencv-mok'; did you mean 'opencv-mog2'"),
        (("--size", "47"), "47: the encoder takes even sides only; give 46"),
        (("--device", "tpu"), "train.device: 'tpu' cannot be used"),
        (("--plot", str(tmp_path / "a.png")), "--plot needs matplotlib"),
        (("--out", str(tmp_path / "absent" / "a.json")), "no such folder"),
    ):
        told = tell(*SMALL, *arguments)
        assert (told.code, told.out) == (2, "")
        assert words in told.err
        assert "condition 1" not in told.err
