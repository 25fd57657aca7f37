"""Progress on the terminal's error stream: a bar with the time left, or plain lines where it is no terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Observer, Options, RunInfo, hookimpl, printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class ConsoleOptions(Options):
    """How often plain lines appear."""

    every: float = Field(10.0, gt=0, description="seconds between plain lines of one piece of work")


class Console:
    """A rich progress bar for each piece of work in turn; one line an epoch."""

    def __init__(self, every: float) -> None:
        from rich.console import Console as RichConsole

        self._console = RichConsole(stderr=True)
        self._every = every
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._what = ""
        self._said = float("-inf")

    def run_started(self, run: RunInfo) -> None:
        """Name, folder and sizes."""
        trained = f"{run.trained:,} of " if run.steps else ""
        steps = f"train on {run.device}, {run.epochs} epochs, {run.steps} steps"
        what = steps if run.steps else f"on {run.device}, evaluation only"
        self._line(f"{run.name}: seed {run.seed}, {trained}{run.parameters:,} parameters {what}")
        if run.folder is not None:
            self._line(f"writing to {run.folder}")

    def progressed(self, what: str, done: int, total: int) -> None:
        """Move the bar on, or now and then print a line."""
        if self._console.is_terminal:
            self._move(what, done, total)
        elif done == total or time.monotonic() - self._said >= self._every:
            if total > 1 or done < total:
                self._line(f"{what}: {done}/{total}")
            self._said = time.monotonic()

    def _move(self, what: str, done: int, total: int) -> None:
        if self._bar is None or self._what != what:
            self.close()
            self._bar, self._what = _bar(self._console), what
            self._bar.start()
            self._task = self._bar.add_task(printable(what, lines=False), total=total)
        assert self._task is not None
        self._bar.update(self._task, completed=done, total=total)
        if done >= total:
            self.close()

    def close(self) -> None:
        """Put the bar away, so that what is printed next, of an error or of Ctrl-C, does not land in it."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        """Loss, and R@1 where it was validated."""
        text = f"epoch {facts['epoch']:.0f}: loss {facts['loss']:.3f}"
        if "val_t2v_R@1" in facts:
            text += f", validation R@1 {facts['val_t2v_R@1']:.1f} text to video, {facts['val_v2t_R@1']:.1f} back"
        self._line(f"{text} ({facts['seconds']:.1f} s)")

    def run_finished(self, report: Mapping[str, Any]) -> None:
        """The command prints the table; only the bar is put away."""
        self.close()

    def _line(self, text: str) -> None:
        console = self._bar.console if self._bar is not None else self._console
        console.print(printable(text), highlight=False, markup=False, soft_wrap=True)


def _bar(console: Any) -> Progress:
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


def build(options: ConsoleOptions, shapes: BuildContext) -> Observer:
    """Writes to stderr alone."""
    return Console(options.every)


CONSOLE = Component("console", "progress and time left on stderr", ConsoleOptions, build)


@hookimpl
def fdakit_observers() -> Iterable[Component[Any, Observer]]:
    return (CONSOLE,)
