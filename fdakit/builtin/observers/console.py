"""Progress on stderr: a bar with the time left, or plain lines if it is not a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Observer, Options, ProgressBar, RunInfo, hookimpl


class ConsoleOptions(Options):
    """How often plain lines appear."""

    every: float = Field(10.0, gt=0, description="seconds between plain lines of one piece of work")


class Console(ProgressBar):
    """A progress bar for one piece of work after the other; one line for each epoch."""

    def run_started(self, run: RunInfo) -> None:
        """Print name, folder and sizes."""
        trained = f"{run.trained:,} of " if run.steps else ""
        steps = f"train on {run.device}, {run.epochs} epochs, {run.steps} steps"
        what = steps if run.steps else f"on {run.device}, evaluation only"
        self.line(f"{run.name}: seed {run.seed}, {trained}{run.parameters:,} parameters {what}")
        if run.folder is not None:
            self.line(f"writing to {run.folder}")

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        """Print the loss, and R@1 if the epoch was validated."""
        text = f"epoch {facts['epoch']:.0f}: loss {facts['loss']:.3f}"
        if "val_t2v_R@1" in facts:
            text += f", validation R@1 {facts['val_t2v_R@1']:.1f} text to video, {facts['val_v2t_R@1']:.1f} back"
        self.line(f"{text} ({facts['seconds']:.1f} s)")

    def run_finished(self, report: Mapping[str, Any]) -> None:
        """Remove the bar; the command prints the table."""
        self.close()


def build(options: ConsoleOptions, shapes: BuildContext) -> Observer:
    """Return the observer, which writes to stderr only."""
    return Console(options.every)


CONSOLE = Component("console", "progress and time left on stderr", ConsoleOptions, build)


@hookimpl
def fdakit_observers() -> Iterable[Component[Any, Observer]]:
    return (CONSOLE,)
