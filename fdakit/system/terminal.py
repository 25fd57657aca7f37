"""Progress of long work on stderr: a bar with the time left, or plain lines if it is not a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from .terminal_text import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class ProgressBar:
    """A rich progress bar for one piece of work after the other. `every` is the seconds between plain lines."""

    def __init__(self, every: float = 10.0) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._every = every
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._what = ""
        self._printed = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def progressed(self, what: str, done: int, total: int) -> None:
        """Advance the bar, or print a line now and then."""
        if self._console.is_terminal:
            self._move(what, done, total)
        elif done == total or time.monotonic() - self._printed >= self._every:
            if total > 1 or done < total:
                self.line(f"{what}: {done}/{total}")
            self._printed = time.monotonic()

    def line(self, text: str) -> None:
        """Print a line above the bar."""
        console = self._bar.console if self._bar is not None else self._console
        console.print(printable(text), highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Remove the bar, so that following output, such as an error, is not mixed with it."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _move(self, what: str, done: int, total: int) -> None:
        if self._bar is None or self._what != what:
            self.close()
            self._bar, self._what = _rich_bar(self._console), what
            self._bar.start()
            self._task = self._bar.add_task(printable(what, lines=False), total=total)
        assert self._task is not None
        self._bar.update(self._task, completed=done, total=total)
        if done >= total:
            self.close()


def _rich_bar(console: Any) -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)
