"""`curves.png` of a run folder: losses and validation over the epochs, drawn while the run trains and at its end."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fdakit.inference.run_files import CURVES
from fdakit.plugin.observers import RunInfo
from fdakit.report.svg_figures import drawing_fault
from fdakit.report.training_curves import training_curves
from fdakit.system.atomic_files import write_bytes

_PAUSE = 60.0  # seconds from one drawing to the next, so that short epochs do not wait for it
_FEWEST = 2  # epochs that make a curve


class RunCurves:
    """An observer of every training: draws its curves, at most once a minute, and when the run is over."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._title = ""
        self._history: list[Mapping[str, float]] = []
        self._drawn = 0  # epochs in the file
        self._last = time.monotonic()

    def run_started(self, run: RunInfo) -> None:
        """Take over the epochs of before, if the run is resumed."""
        if run.folder is not None and run.steps:
            self._path, self._title = run.folder / CURVES, f"{run.name}, seed {run.seed}"
            self._history = list(run.past or ())

    def progressed(self, what: str, done: int, total: int) -> None:
        """Ignore progress."""

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        """Draw the curves if the last drawing is long ago."""
        self._history.append(dict(facts))
        if time.monotonic() - self._last >= _PAUSE:
            self._draw()

    def run_finished(self, report: Mapping[str, Any]) -> None:
        """Draw the whole curves, before the run folder lists its files."""
        self._draw()

    def close(self) -> None:
        """Draw what is not drawn yet, as of a run that was stopped; without matplotlib that is told once."""
        self._draw()

    def _draw(self) -> None:
        self._last = time.monotonic()
        count = len(self._history)
        if self._path is None or count < _FEWEST or count == self._drawn:
            return
        if fault := drawing_fault():
            warnings.warn(f"{self._path} is not drawn: {fault}", stacklevel=2)
            self._path = None
            return
        write_bytes(self._path, training_curves(self._history, title=self._title))
        self._drawn = count
