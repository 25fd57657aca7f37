"""The lines of Charades-STA's files: `AO8RW 0.0 6.9##a person is putting a book on a shelf.`"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from fdakit.dataset_files import row_error
from fdakit.plugin import DatasetError, read_text

_NUMBER = r"[+-]?\d{1,9}(?:\.\d{1,20})?"
_LINE = re.compile(rf"(\S+)\s+({_NUMBER})\s+({_NUMBER})\s*##(.*)", re.ASCII)


class TimedSentence(NamedTuple):
    """A sentence, the id of its video, and the window it describes, in seconds as written."""

    video: str
    window: tuple[float, float]
    text: str


def read_sentences(path: Path) -> tuple[TimedSentence, ...]:
    """Return all sentences in the file's order; blank lines are ignored.

    Raises `DatasetError` with the line that has another form, or no sentence, or if there is no line.
    """
    told = []
    for number, line in enumerate(read_text(path, error=DatasetError, what="annotations").split("\n"), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or not match[4].strip():
            what = f"found {line.strip()[:60]!r}; wanted ID START END##SENTENCE, as AO8RW 0.0 6.9##text"
            raise row_error(path.absolute(), number, what)
        told.append(TimedSentence(match[1], (float(match[2]), float(match[3])), match[4].strip()))
    if not told:
        raise DatasetError(f"{path.absolute()}: holds no line; fetch it again")
    return tuple(told)
