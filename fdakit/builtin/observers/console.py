"""Progress on stderr: a bar with the time left, or plain lines if it is not a terminal; rates, memory and losses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from fdakit.plugin import BuildContext, Component, Observer, Options, ProgressBar, RunInfo, StepInfo, hookimpl


class ConsoleOptions(Options):
    """How often plain lines appear."""

    every: float = Field(10.0, gt=0, description="seconds between plain lines of one piece of work")


class Console(ProgressBar):
    """A progress bar for one piece of work after the other; one line for each epoch.

    It is told of one step in `step_seconds`, so that a GPU is not waited for at every step.
    """

    def __init__(self, every: float = 10.0) -> None:
        super().__init__(every)
        self.step_seconds = 1.0 if self.is_terminal else every
        self._before = StepInfo(0, 0, 0, 0.0, {}, 0.0, 0)

    def run_started(self, run: RunInfo) -> None:
        """Print name, folder and sizes."""
        trained = f"{run.trained:,} of " if run.steps else ""
        steps = f"train on {run.device}, {run.epochs} epochs, {run.steps} steps"
        what = steps if run.steps else f"on {run.device}, evaluation only"
        self.line(f"{run.name}: seed {run.seed}, {trained}{run.parameters:,} parameters {what}")
        if run.folder is not None:
            self.line(f"writing to {run.folder}")
        if run.done:
            self.line(f"going on after step {run.done}")

    def step_finished(self, step: StepInfo) -> None:
        """Set what stands beside the bar: rates since the step before that was told."""
        self.note("training", _note(step, self._before))
        self._before = step

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        """Print the loss, and R@1 if the epoch was validated."""
        text = f"epoch {facts['epoch']:.0f}: loss {facts['loss']:.3f}"
        if "val_t2v_R@1" in facts:
            text += f", validation R@1 {facts['val_t2v_R@1']:.1f} text to video, {facts['val_v2t_R@1']:.1f} back"
        self.line(f"{text} ({facts['seconds']:.1f} s)")

    def run_finished(self, report: Mapping[str, Any]) -> None:
        """Remove the bar; the command prints the table."""
        self.close()


def _note(step: StepInfo, before: StepInfo) -> str:
    seconds = step.seconds - before.seconds
    said = []
    if seconds > 0:
        said.append(f"{(step.clips - before.clips) / seconds:.3g} clips/s")
        said.append(f"{(step.waited - before.waited) / seconds:.0%} waiting for data")
    if step.memory:
        said.append(f"{step.memory / 1e9:.1f} GB")
    said.append(f"loss {step.loss:.3f}")
    if step.scale is not None:
        said.append(f"scale {step.scale:.1f}")
    return ", ".join(said)


def build(options: ConsoleOptions, shapes: BuildContext) -> Observer:
    """Return the observer, which writes to stderr only."""
    return Console(options.every)


CONSOLE = Component("console", "progress and time left on stderr", ConsoleOptions, build)


@hookimpl
def fdakit_observers() -> Iterable[Component[Any, Observer]]:
    return (CONSOLE,)
