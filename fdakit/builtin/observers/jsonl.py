"""One JSON line an event in `metrics.jsonl` of the run folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fdakit import Component, Observer, Options, RunInfo, Shapes, hookimpl


class JsonlOptions(Options):
    """The file's name."""

    file: str = "metrics.jsonl"


class Jsonl:
    """Appends; a run that is taken up goes on in the same file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._path: Path | None = None

    def run_started(self, run: RunInfo) -> None:
        """Open the file of the run's folder."""
        self._path = run.folder / self._file if run.folder else None
        self._write({"event": "run_started", "name": run.name, "seed": run.seed, "steps": run.steps})

    def progressed(self, what: str, done: int, total: int) -> None:
        """Progress is for people."""

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        """Losses, rates, times and validation metrics."""
        self._write({"event": "epoch_finished", **facts})

    def run_finished(self, report: Mapping[str, Any]) -> None:
        """The result; the whole report lies beside this file."""
        self._write({"event": "run_finished", "t2v": report["t2v"], "v2t": report["v2t"]})

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def build(options: JsonlOptions, shapes: Shapes) -> Observer:
    """Opens nothing until the run starts."""
    return Jsonl(options.file)


JSONL = Component("jsonl", "a JSON line an event in the run folder", JsonlOptions, build)


@hookimpl
def fdakit_observers() -> Iterable[Component[Any, Observer]]:
    return (JSONL,)
