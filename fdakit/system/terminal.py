"""Progress of long work on stderr: a bar with the time left, or plain lines with it if it is not a terminal."""

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
        self._notes: dict[str, str] = {}  # what is told beside a piece of work, by its name
        self._printed = float("-inf")
        self._begun = (0.0, 0)  # when the current piece of work was first told of, and how much was done by then

    @property
    def is_terminal(self) -> bool:
        """Whether a bar is drawn, not lines printed."""
        return self._console.is_terminal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def progressed(self, what: str, done: int, total: int) -> None:
        """Advance the bar, or print a line now and then."""
        new, self._what = self._what != what, what
        if new:
            self._begun = time.monotonic(), done
        if self.is_terminal:
            self._move(what, done, total, new=new)
        elif done == total or time.monotonic() - self._printed >= self._every:
            if total > 1 or done < total:
                said = (f"{what}: {done}/{total}", self._left(done, total), self._notes.pop(what, ""))
                self.line(", ".join(filter(None, said)))
            self._printed = time.monotonic()

    def note(self, what: str, text: str) -> None:
        """Set what is told beside a piece of work, as its rate."""
        self._notes[what] = text

    def _left(self, done: int, total: int) -> str:
        """Return the time that is left in words, if any is and it can be told."""
        begun, first = self._begun
        seconds = time.monotonic() - begun
        if not first < done < total or seconds < 1:
            return ""
        return f"{clock(seconds / (done - first) * (total - done))} left"

    def line(self, text: str) -> None:
        """Print a line above the bar."""
        console = self._bar.console if self._bar is not None else self._console
        console.print(printable(text), highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Remove the bar, so that following output, such as an error, is not mixed with it."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _move(self, what: str, done: int, total: int, *, new: bool) -> None:
        if self._bar is None or new:
            self.close()
            self._bar = _rich_bar(self._console)
            self._bar.start()
            self._task = self._bar.add_task(printable(what, lines=False), total=total, note="")
        assert self._task is not None
        self._bar.update(
            self._task, completed=done, total=total, note=printable(self._notes.get(what, ""), lines=False)
        )
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
        TextColumn("{task.fields[note]}", markup=False),
    )
    return Progress(*columns, console=console, transient=True)


def clock(seconds: float) -> str:
    """Return a duration as `m:ss`, or `h:mm:ss` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
