"""`curves.png`: when it is drawn, of what, and what is told without matplotlib."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fdakit.experiment import run_curves
from fdakit.experiment.run_curves import RunCurves
from fdakit.plugin import RunInfo


def info(folder: Path | None, past: tuple[Mapping[str, float], ...] | None = None) -> RunInfo:
    return RunInfo("trial", folder, seed=7, epochs=4, steps=40, parameters=9, device="cpu", past=past)


def epoch(number: int) -> dict[str, float]:
    return {"epoch": number, "step": 10 * number, "loss": 4 / number, "seconds": 1.0, "val_t2v_R@1": 10.0 * number}


def run(folder: Path | None, *, first: int = 1, past: Any = None, epochs: int = 4) -> None:
    curves = RunCurves()
    curves.run_started(info(folder, past))
    for number in range(first, epochs + 1):
        curves.epoch_finished(epoch(number))
    curves.close()


def test_it_is_drawn_when_the_run_is_over(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run(tmp_path)
    picture = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB"))
    assert picture.shape[1] > 2 * picture.shape[0]  # two panels side by side
    assert (picture < 250).any(axis=2).mean() > 0.01
    assert list(tmp_path.iterdir()) == [tmp_path / "curves.png"]


def test_a_resumed_run_draws_the_epochs_of_before_too(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("whole", "resumed"):
        (tmp_path / name).mkdir()
    run(tmp_path / "whole")
    run(tmp_path / "resumed", first=3, past=(epoch(1), epoch(2)))
    assert (tmp_path / "whole" / "curves.png").read_bytes() == (tmp_path / "resumed" / "curves.png").read_bytes()


def test_short_epochs_are_not_drawn_one_by_one_and_long_ones_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    for pause, drawn in ((60.0, False), (0.0, True)):
        monkeypatch.setattr(run_curves, "_PAUSE", pause)
        curves = RunCurves()
        curves.run_started(info(tmp_path))
        for number in (1, 2):
            curves.epoch_finished(epoch(number))
        assert (tmp_path / "curves.png").is_file() == drawn


@pytest.mark.parametrize(("folder", "epochs"), [(False, 4), (True, 1)])
def test_without_a_folder_or_a_second_epoch_there_is_no_curve(tmp_path: Path, folder: bool, epochs: int) -> None:
    run(tmp_path if folder else None, epochs=epochs)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_that_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(run_curves, "_PAUSE", 0.0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run(tmp_path)
    missing = f'{tmp_path / "curves.png"} is not drawn: matplotlib is not installed; pip install "fdakit[plot]"'
    assert [str(one.message) for one in told] == [missing]
    assert list(tmp_path.iterdir()) == []
