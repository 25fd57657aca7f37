"""One JSON line an event in `metrics.jsonl` of the run folder; a run that was killed loses and doubles none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fdakit import Component, Observer, Options, RunInfo, Shapes, hookimpl, write_text

_EPOCH = "epoch_finished"


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
        if self._path is not None and self._path.exists():
            write_text(self._path, "".join(_mended(self._path.read_bytes().decode("utf-8", "replace"), run.past)))
        self._write({"event": "run_started", "name": run.name, "seed": run.seed, "steps": run.steps})

    def progressed(self, what: str, done: int, total: int) -> None:
        """Progress is for people."""

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        """Losses, rates, times and validation metrics."""
        self._write({"event": _EPOCH, **facts})

    def run_finished(self, report: Mapping[str, Any]) -> None:
        """The result; the whole report lies beside this file."""
        self._write({"event": "run_finished", "t2v": report["t2v"], "v2t": report["v2t"]})

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_line(line))


def _mended(text: str, past: Sequence[Mapping[str, float]] | None) -> list[str]:
    """The lines of a log that is taken up: without a torn last one, each epoch of `past` once and none after them."""
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    if past is None:
        return lines
    known = {int(facts["epoch"]): facts for facts in past}
    kept, seen = [], set()
    for line in lines:
        epoch = _epoch(line)
        if epoch is None or (epoch not in seen and epoch <= max(known, default=0)):
            kept.append(line)
            seen.add(epoch)
    lost = [facts for epoch, facts in sorted(known.items()) if epoch not in seen]
    return [*kept, *(_line({"event": _EPOCH, **facts}) for facts in lost)]


def _epoch(line: str) -> int | None:
    """The epoch whose end a line tells of."""
    try:
        event = json.loads(line)
        return int(event["epoch"]) if event["event"] == _EPOCH else None
    except (ValueError, TypeError, LookupError):
        return None


def _line(event: Mapping[str, Any]) -> str:
    return json.dumps(event) + "\n"


def build(options: JsonlOptions, shapes: Shapes) -> Observer:
    """Opens nothing until the run starts."""
    return Jsonl(options.file)


JSONL = Component("jsonl", "a JSON line an event in the run folder", JsonlOptions, build)


@hookimpl
def fdakit_observers() -> Iterable[Component[Any, Observer]]:
    return (JSONL,)
