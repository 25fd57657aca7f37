"""One JSON line for each event in `metrics.jsonl` of the run folder; a killed run loses and repeats none."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fdakit.plugin import BuildContext, Component, Observer, Options, RunInfo, hookimpl, write_text

_EPOCH = "epoch_finished"


class JsonlOptions(Options):
    """The file's name."""

    file: str = "metrics.jsonl"


class Jsonl:
    """Appends events; a resumed run continues in the same file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._path: Path | None = None

    def run_started(self, run: RunInfo) -> None:
        """Open the file of the run's folder."""
        self._path = run.folder / self._file if run.folder else None
        if self._path is not None and (self._path.exists() or run.past):
            write_text(self._path, "".join(_mended(self._path, run.past)))
        self._write({"event": "run_started", "name": run.name, "seed": run.seed, "steps": run.steps})

    def progressed(self, what: str, done: int, total: int) -> None:
        """Ignore progress, which is for people."""

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        """Write losses, rates, times and validation metrics."""
        self._write({"event": _EPOCH, **facts})

    def run_finished(self, report: Mapping[str, Any]) -> None:
        """Write the result; the complete report is next to this file."""
        told = {key: report[key] for key in ("t2v", "v2t", "stopped_early") if key in report}
        self._write({"event": "run_finished", **told})

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_line(line))


def _mended(path: Path, past: Sequence[Mapping[str, float]] | None) -> list[str]:
    """Return the lines of a resumed log: no incomplete last one, each epoch of `past` once and none after them.

    Warns of damage: a line that is not an event is dropped, an epoch that differs from `past` is rewritten.
    """
    lines = path.read_bytes().decode("utf-8", "replace").split("\n")[:-1] if path.exists() else []
    events = {number: event for number, line in enumerate(lines, 1) if (event := _event(line)) is not None}
    damaged = [number for number in range(1, len(lines) + 1) if number not in events]
    if past is not None:
        known = {int(facts["epoch"]): _line({"event": _EPOCH, **facts}) for facts in past}
        damaged += [number for number, event in events.items() if _differs(event, lines[number - 1], known)]
    if damaged:
        remedy = "left out" if past is None else "written anew from the training state where it tells of an epoch"
        warnings.warn(f"{path.absolute()}: line {_numbers(damaged)}: changed or damaged; {remedy}", stacklevel=2)
    whole = [(lines[number - 1] + "\n", event) for number, event in events.items() if number not in damaged]
    return [line for line, _ in whole] if past is None else _completed(whole, known)


def _completed(whole: Sequence[tuple[str, Mapping[str, Any]]], known: Mapping[int, str]) -> list[str]:
    """Return the lines with each known epoch once, in the order of epochs, and no other."""
    kept, seen = [], set()
    for line, event in whole:
        epoch = _epoch(event)
        if epoch is None or (epoch not in seen and epoch <= max(known, default=0)):
            kept.append(line)
            seen.add(epoch)
    return [*kept, *(line for epoch, line in sorted(known.items()) if epoch not in seen)]


def _event(line: str) -> dict[str, Any] | None:
    """Return the event of a line; None if it holds none."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(event, dict) and isinstance(event.get("event"), str)
    return event if whole and (event["event"] != _EPOCH or isinstance(event.get("epoch"), int)) else None


def _epoch(event: Mapping[str, Any]) -> int | None:
    """Return the epoch that an event completes."""
    return int(event["epoch"]) if event["event"] == _EPOCH else None


def _differs(event: Mapping[str, Any], line: str, known: Mapping[int, str]) -> bool:
    """Return whether an event differs from what is known of its epoch."""
    epoch = _epoch(event)
    return epoch is not None and epoch in known and known[epoch] != line + "\n"


def _numbers(damaged: Sequence[int]) -> str:
    more = f" and {len(damaged) - 3} more" if damaged[3:] else ""
    return ", ".join(map(str, sorted(damaged)[:3])) + more


def _line(event: Mapping[str, Any]) -> str:
    return json.dumps(event) + "\n"


def build(options: JsonlOptions, shapes: BuildContext) -> Observer:
    """Return the observer, which opens nothing until the run starts."""
    return Jsonl(options.file)


JSONL = Component("jsonl", "one JSON line per event, in the run folder", JsonlOptions, build)


@hookimpl
def fdakit_observers() -> Iterable[Component[Any, Observer]]:
    return (JSONL,)
