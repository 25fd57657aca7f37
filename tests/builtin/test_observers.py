"""`jsonl` and `console`: what they write, and where."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fdakit.builtin.observers.console import CONSOLE
from fdakit.builtin.observers.jsonl import JSONL
from fdakit.plugin import RunInfo, StepInfo
from fdakit.testing.building import build_part

REPORT = {"t2v": {"R@1": 12.5}, "v2t": {"R@1": 25.0}, "videos": {"counted": 3}}


def info(folder: Path | None, steps: int = 40) -> RunInfo:
    return RunInfo(
        name="trial", folder=folder, seed=7, epochs=2, steps=steps, parameters=1234567, trained=1234566, device="cpu"
    )


def live(observer: Any, run: RunInfo) -> None:
    """The life of an observer, as a run leads it."""
    observer.run_started(run)
    observer.progressed("training", 1, 40)
    observer.epoch_finished({"epoch": 1, "step": 20, "loss": 3.25, "seconds": 1.5, "learning_rate": 1e-3})
    observer.progressed("training", 40, 40)
    observer.epoch_finished({"epoch": 2, "loss": 2.5, "seconds": 1, "val_t2v_R@1": 50.0, "val_v2t_R@1": 25.0})
    observer.run_finished(REPORT)


def test_jsonl_writes_a_line_an_event(tmp_path: Path) -> None:
    live(build_part(JSONL), info(tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [
        {"event": "run_started", "name": "trial", "seed": 7, "steps": 40},
        {"event": "epoch_finished", "epoch": 1, "step": 20, "loss": 3.25, "seconds": 1.5, "learning_rate": 1e-3},
        {"event": "epoch_finished", "epoch": 2, "loss": 2.5, "seconds": 1, "val_t2v_R@1": 50.0, "val_v2t_R@1": 25.0},
        {"event": "run_finished", "t2v": {"R@1": 12.5}, "v2t": {"R@1": 25.0}},
    ]


def test_jsonl_goes_on_in_the_file_of_a_run_that_is_taken_up(tmp_path: Path) -> None:
    for _ in range(2):
        live(build_part(JSONL, file="log.jsonl"), info(tmp_path))
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 8


def test_jsonl_writes_nothing_where_the_run_has_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    live(build_part(JSONL), info(None))
    assert list(tmp_path.iterdir()) == []


def test_console_writes_plain_lines_to_stderr_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "[red]a name that must not be wrapped or read as markup" / ("x" * 80)
    live(build_part(CONSOLE, every=1000.0), info(folder))
    out, err = capsys.readouterr()
    assert out == ""
    assert "\x1b" not in err
    assert err.splitlines() == [
        "trial: seed 7, 1,234,566 of 1,234,567 parameters train on cpu, 2 epochs, 40 steps",
        f"writing to {folder}",
        "training: 1/40",
        "epoch 1: loss 3.250 (1.5 s)",
        "training: 40/40",
        "epoch 2: loss 2.500, validation R@1 50.0 text to video, 25.0 back (1.0 s)",
    ]


def test_console_speaks_of_long_work_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    console = build_part(CONSOLE, every=1000.0)
    for done in range(1, 501):
        console.progressed("encoding", done, 500)
    console.progressed("a moment", 1, 1)
    assert capsys.readouterr().err.splitlines() == ["encoding: 1/500", "encoding: 500/500"]


def step(number: int, **more: Any) -> StepInfo:
    return StepInfo(number, 40, 1, 2.5, {}, 1e-3, 16, **more)


def test_console_tells_rates_since_the_step_before_memory_loss_and_scale(capsys: pytest.CaptureFixture[str]) -> None:
    console = build_part(CONSOLE, every=1e-9)
    console.step_finished(step(1, seconds=8.0, waited=6.0, clips=16, memory=2_340_000_000, scale=14.28))
    console.progressed("training", 1, 40)
    console.step_finished(step(11, seconds=10.0, waited=6.5, clips=176))
    console.progressed("training", 11, 40)
    console.progressed("training", 12, 40)
    assert capsys.readouterr().err.splitlines() == [
        "training: 1/40, 2 clips/s, 75% waiting for data, 2.3 GB, loss 2.500, scale 14.3",
        "training: 11/40, 80 clips/s, 25% waiting for data, loss 2.500",
        "training: 12/40",
    ]


def test_console_tells_the_time_that_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    console = build_part(CONSOLE, every=1.0)
    for done, now in ((10, 100.0), (20, 200.0), (40, 400.0)):
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        console.progressed("training", done, 420)
    assert capsys.readouterr().err.splitlines() == [
        "training: 10/420",
        "training: 20/420, 1:06:40 left",
        "training: 40/420, 1:03:20 left",
    ]


def test_console_looks_at_a_step_a_second_on_a_terminal_and_as_often_as_it_prints_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build_part(CONSOLE, every=30.0).step_seconds == 30.0
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    console = build_part(CONSOLE, every=30.0)
    assert console.step_seconds == 1.0
    console.step_finished(step(1, seconds=8.0, waited=6.0, clips=16))
    console.progressed("training", 1, 40)
    console.close()
    assert "75% waiting for data" in "".join(capsys.readouterr().err.splitlines())


def test_console_says_that_nothing_is_trained(capsys: pytest.CaptureFixture[str]) -> None:
    build_part(CONSOLE).run_started(info(None, steps=0))
    assert capsys.readouterr().err == "trial: seed 7, 1,234,567 parameters on cpu, evaluation only\n"


def test_console_obeys_nothing_that_stands_in_a_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = "\x1b]0;owned\x07[red]clip.zip"
    for terminal in (False, True):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        monkeypatch.setenv("TERM", "xterm")
        console = build_part(CONSOLE, every=1000.0)
        console.run_started(replace(info(tmp_path), name=name))
        console.progressed(f"unpacking {name}", 1, 2)
        console.run_finished({})
        shown = capsys.readouterr().err
        assert "\x07" not in shown
        assert "\x1b]0" not in shown
        assert shown.count(r"\x1b]0;owned\x07[red]clip.zip") >= 2
