"""`fdakit compare`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.cli_output import Tell
from helpers.finished_runs import finished_run

OWNERS = tuple(range(12))


@pytest.fixture
def runs(clips: Path, tmp_path: Path) -> tuple[str, str]:
    """One that ranks every third caption right, and one that ranks all right."""
    videos = [tmp_path / f"v{place}.mp4" for place in range(12)]
    videos[1] = clips / "red-across.mp4"
    good = np.eye(12)
    poor = np.where(np.arange(12)[:, None] % 3 == 0, good, np.roll(good, 1, axis=1) + 0.5 * good)
    kinds = (("poor", poor), ("good", good))
    first, second = (
        str(finished_run(tmp_path / name, matrix, videos=videos, owners=OWNERS, name=name)) for name, matrix in kinds
    )
    return first, second


def test_a_table_a_direction_and_what_was_won(tell: Tell, runs: tuple[str, str]) -> None:
    told = tell("compare", *runs, "--draws", "2000", "--show", "2")
    assert (told.code, told.err) == (0, "")
    words = " ".join(told.out.split())
    for wanted in (
        f"A: poor, seed 24: {runs[0]}",
        f"B: good, seed 24: {runs[1]}",
        "B against A, text to video: 12 captions of 12 videos",
        "B against A, video to text: 12 videos",
        "metric A B Δ 95% interval p",
        "R@1 33.3 100.0 +66.67 +41.67 to +91.67 0.0",
        "queries by rank: 8 won by B, 0 lost, 4 alike; by R@1: 8 won, 0 lost; MnR: lower is better",
        "won by B against A, text to video: the 2 largest changes of 8",
        "caption 1 red-across 2 1",
        "never below 0.0005",
        "not another training seed",
        "one seed on a side",
    ):
        assert wanted in words, wanted
    assert "lost by B" not in words


def test_json_is_the_document_and_nothing_else(tell: Tell, runs: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    told = tell("compare", *runs, "--json", "--metric", "R@1", "--metric", "MRR", "--level", "0.9", "--out", str(out))
    assert told.code == 0
    assert told.json == json.loads((out / "compare.json").read_text())
    (pair,) = told.json["pairs"]
    assert list(pair["t2v"]["tests"]) == ["R@1", "MRR"]
    assert pair["t2v"]["tests"]["R@1"]["p"] < 0.02
    assert (told.json["draws"], told.json["level"]) == (10_000, 0.9)
    assert len(pair["t2v"]["won"]) == 5
    *_, drawn, missing = told.err.splitlines()
    assert drawn.startswith("drawing videos: ")
    assert missing.startswith("warning: 7 of 8 images are missing on the page; first: ")  # all but one video
    again = tell("compare", *runs, "--out", str(out))
    assert again.out.splitlines()[-3:] == [f"written: {out}/compare.{kind}" for kind in ("json", "md", "html")]
    assert "data:image/jpeg" in (out / "compare.html").read_text()


def test_a_run_against_itself_gives_1(tell: Tell, runs: tuple[str, str]) -> None:
    told = tell("compare", runs[0], runs[0], "--json", "--draws", "100")
    tests = [test for way in ("t2v", "v2t") for test in told.json["pairs"][0][way]["tests"].values()]
    assert {(test["p"], test["difference"]) for test in tests} == {(1.0, 0.0)}


def test_bad_arguments_are_worded(tell: Tell, runs: tuple[str, str], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for arguments, words in (
        ((), "Missing argument 'RUN_A RUN_B...'"),
        ((runs[0],), "name two runs or more, first the one to compare with"),
        ((runs[0], str(tmp_path / "gone")), "gone/report.json: no such file; name the folder of a finished run"),
        ((*runs, "--metric", "MdR"), "metric 'MdR': no mean over queries that is known; did you mean"),
        ((*runs, "--draws", "3"), "--draws"),
        ((*runs, "--level", "1"), "--level"),
        ((*runs, "--out", str(file / "deeper")), "cannot be made (Not a directory); choose with --out"),
    ):
        told = tell("compare", *arguments)
        assert (told.code, told.out) == (2, ""), arguments
        assert words in told.err
        assert "Traceback" not in told.err


def test_ctrl_c_leaves_no_half_file(
    tell: Tell, runs: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fdakit.analysis import compare_page

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(compare_page, "uniform_frames", interrupted)
    told = tell("compare", *runs, "--out", str(tmp_path / "out"))
    assert (told.code, told.out) == (130, "")
    assert not (tmp_path / "out").exists()


def test_the_page_shows_frames_and_masks_of_each_side(tell: Tell, runs: tuple[str, str], tmp_path: Path) -> None:
    pages = {}
    for name, options in {"plain": (), "frames": ("--frames", "2"), "masks": ("--frames", "2", "--masks")}.items():
        told = tell("compare", *runs, "--out", str(tmp_path / name), "--draws", "100", *options)
        assert told.code == 0, told.err
        text = (tmp_path / name / "compare.html").read_text(encoding="utf-8")
        pages[name] = re.findall(r'href="data:image/jpeg;base64,([^"]+)"', text)
    assert len(pages["plain"]) == len(set(pages["plain"])) > 0
    assert not set(pages["plain"]) & set(pages["frames"])
    assert not set(pages["frames"]) & set(pages["masks"])
    refused = tell("compare", *runs, "--masks")
    assert (refused.code, "add --out FOLDER" in refused.err) == (2, True)
