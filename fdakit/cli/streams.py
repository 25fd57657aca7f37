"""Standard output and error, whatever they lead to: another encoding, a closed pipe, a full disk."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from fdakit.system.ranks import asked_rank


class OutputRefusedError(Exception):
    """Standard output takes nothing more. No `OSError`, because click and rich end the process at one themselves."""

    def __init__(self, fault: OSError) -> None:
        super().__init__(fault.strerror or str(fault))
        self.closed = isinstance(fault, BrokenPipeError)


@contextmanager
def guarded_streams() -> Iterator[None]:
    r"""Let both streams take any text, and word what standard output refuses as `OutputRefusedError`.

    What an encoding lacks is written as an escape, as in `\u0394`. What standard error refuses is dropped: a message
    that nobody reads is no reason to end a run. A stream that refused is led to nowhere, so that the interpreter does
    not fail over it once more while it ends.
    """
    out, err = sys.stdout, sys.stderr
    sys.stdout = cast(TextIO, out and _Guarded(out, refuses=True))
    sys.stderr = cast(TextIO, err and _Guarded(err, refuses=False))
    try:
        yield
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # the process was started without it
                stream.flush()
    finally:
        sys.stdout, sys.stderr = out, err


@contextmanager
def rank_output() -> Iterator[None]:
    """Drop what any rank but the first prints and warns of."""
    if not asked_rank():
        yield
        return
    out, sys.stdout = sys.stdout, io.StringIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stdout = out


def printed_already() -> bool:
    """Return whether anything was written to the guarded standard output."""
    return isinstance(sys.stdout, _Guarded) and sys.stdout.wrote


class _Guarded:
    """A text stream that is `stream` in everything but what happens where it cannot be written."""

    def __init__(self, stream: TextIO, *, refuses: bool) -> None:
        self._stream, self._refuses = stream, refuses
        self._fault: OSError | None = None
        self.wrote = False  # whether anything was written
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        self.wrote = self.wrote or bool(text)
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, write: Callable[[], object]) -> None:
        if self._fault is None:
            try:
                write()
            except OSError as fault:
                self._fault = fault
                self._lead_to_nowhere()
        if self._fault is not None and self._refuses:  # each time: click asks a stream what it is by writing to it
            raise OutputRefusedError(self._fault) from self._fault

    def _lead_to_nowhere(self) -> None:
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
