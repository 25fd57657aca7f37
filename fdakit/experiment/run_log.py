"""Reading the log of a run, `metrics.jsonl`: verified by its digest if the run has ended, and line by line always."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import Field

from fdakit.errors import ScoreError
from fdakit.inference.run_files import LOG
from fdakit.system.digests import check_digest, read_digests
from fdakit.system.json_records import Count, JsonRecord
from fdakit.system.regular_files import read_text

ADVICE = "remove it, and the seconds are left out"

EPOCH = "epoch_finished"


class RunEvent(JsonRecord):
    """A line of the log; an epoch has its number and its duration in seconds."""

    event: str
    epoch: Count | None = None
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


def check_log(folder: Path, *, advice: str = ADVICE) -> None:
    """Compare the log of a finished run with its digest in SHA256SUMS; an open log has none.

    Raises `ScoreError`, ending in `advice`, if it was modified.
    """
    path = folder / LOG
    if path.exists() and LOG in (read_digests(folder, error=ScoreError) or {}):
        check_digest(path, error=ScoreError, advice=advice)


def read_log(folder: Path) -> list[RunEvent]:
    """Return the events of a run's log in order; empty if there is no log.

    An incomplete last line, as a kill leaves it, is ignored. Raises `ScoreError`, naming the line, if the log was
    modified since the run ended or a line is not an event.
    """
    path = folder / LOG
    if not path.is_file():
        return []
    check_log(folder)
    lines = read_text(path, error=ScoreError).split("\n")[:-1]
    return [_event(line, f"{path.absolute()}: line {number}") for number, line in enumerate(lines, 1)]


def _event(line: str, where: str) -> RunEvent:
    try:
        event = RunEvent.from_json(json.loads(line))
        if event.event == EPOCH and event.seconds is None:
            raise ValueError("an epoch without its seconds")
    except (ValueError, RecursionError) as error:
        raise ScoreError(f"{where}: not readable as the log of a run ({error}); {ADVICE}") from error
    return event
