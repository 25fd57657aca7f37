"""An observer for fdakit that follows a run in Weights & Biases, online or offline."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from fdakit.plugin import (
    BuildContext,
    Component,
    Observer,
    Options,
    PluginError,
    RunInfo,
    StepInfo,
    hookimpl,
    read_text,
    write_text,
)

_ID = "wandb-id.txt"  # in the run folder, so that a resumed run goes on in the same run of W&B


class WandbOptions(Options):
    """The project, and how often steps are sent."""

    project: str = "fdakit"
    entity: str | None = Field(None, description="user or team; left out: W&B's own default")
    mode: Literal["online", "offline", "disabled"] | None = Field(
        None, description="left out: what WANDB_MODE says, else online"
    )
    every: float = Field(
        10.0, ge=0, le=1_000_000, description="seconds between two steps that are sent; 0: every step"
    )
    clips: int = Field(
        4, ge=0, le=1_000, description="clips of the reported split that are shown with their masks, once"
    )


class Wandb:
    """Sends losses, rates, validation and masks; files are kept below the run folder."""

    def __init__(self, options: WandbOptions) -> None:
        self.step_seconds = options.every
        self._options = options
        self._run: Any = None
        self._before: StepInfo | None = None

    def run_started(self, run: RunInfo) -> None:
        """Start, or resume, the run of W&B; a run without a folder is not followed."""
        if run.folder is None:
            return
        import wandb

        self._run = wandb.init(
            project=self._options.project,
            entity=self._options.entity,
            mode=self._options.mode,
            name=f"{run.name}, seed {run.seed}",
            dir=str(run.folder),
            id=_run_id(run.folder / _ID),
            resume="allow",
            config={"recipe": run.name, "seed": run.seed, "epochs": run.epochs, "parameters": run.parameters},
        )
        if run.examples is not None and not run.past and self._options.clips:
            shown = [wandb.Image(_strip(one), caption=one.text) for one in run.examples(self._options.clips)]
            self._run.log({"masks": shown}, step=0)

    def progressed(self, what: str, done: int, total: int) -> None:
        """Ignore progress."""

    def step_finished(self, step: StepInfo) -> None:
        """Send losses and rates."""
        found = {"loss": step.loss, "learning_rate": step.learning_rate, "memory_GB": step.memory / 1e9}
        found |= {f"loss/{name}": loss for name, loss in step.losses.items()}
        if step.scale is not None:
            found["scale"] = step.scale
        before, self._before = self._before, step
        seconds = step.seconds - (before.seconds if before else 0.0)
        if seconds > 0:
            found["clips_a_second"] = (step.clips - (before.clips if before else 0)) / seconds
            found["waiting_for_data"] = (step.waited - (before.waited if before else 0.0)) / seconds
        self._log(found, step.step)

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        """Send the means of the epoch and the metrics of its validation."""
        found = {f"epoch/{name}": value for name, value in facts.items() if isinstance(value, int | float)}
        self._log(found, int(facts.get("step", facts["epoch"])))

    def run_finished(self, report: Mapping[str, Any]) -> None:
        """Set the report's metrics as the summary."""
        if self._run is not None:
            for way in ("t2v", "v2t"):
                self._run.summary.update({f"{way}/{name}": value for name, value in report[way].items()})

    def close(self) -> None:
        """End the run of W&B."""
        if self._run is not None:
            self._run.finish()
            self._run = None

    def _log(self, found: Mapping[str, float], step: int) -> None:
        if self._run is not None:
            self._run.log(dict(found), step=step)


def _run_id(path: Path) -> str:
    """Return the id of a run of W&B, noted in a file of the run folder."""
    if not path.is_file():
        write_text(path, secrets.token_hex(4))
    return read_text(path).strip()


def _strip(example: Any) -> Any:
    """Return a clip as one picture: its frames, and below them what their masks leave light."""
    masked = (example.frames * (0.25 + 0.75 * example.alpha[..., None])).round().astype(np.uint8)
    return np.concatenate([np.concatenate(list(frames), axis=1) for frames in (example.frames, masked)], axis=0)


def build(options: WandbOptions, shapes: BuildContext) -> Observer:
    """Return the observer. Raises `PluginError` if wandb is not installed."""
    if find_spec("wandb") is None:
        raise PluginError("observer 'wandb': wandb is not installed; pip install wandb, or leave the observer out")
    return Wandb(options)


WANDB = Component("wandb", "a run of Weights & Biases, online or offline", WandbOptions, build)


@hookimpl
def fdakit_observers() -> Iterable[Component[Any, Observer]]:
    return (WANDB,)
