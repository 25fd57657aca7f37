"""The writing side of `tensorboard`, by torch.utils.tensorboard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from fdakit.plugin import MaskedExample, RunInfo, StepInfo

_DIMMED = 0.25  # share of its light that is left to a pixel where alpha is 0


class TensorBoard:
    """Writes below the run folder; a resumed run hides what was written after the step that it goes on from."""

    def __init__(self, folder: str, *, every: float, clips: int) -> None:
        self.step_seconds = every
        self._name, self._clips = folder, clips
        self._folder: Path | None = None
        self._examples: list[MaskedExample] = []
        self._writer: Any = None
        self._before: StepInfo | None = None

    def run_started(self, run: RunInfo) -> None:
        """Note the folder, and read the clips that are shown, if the run is new."""
        self._folder = run.folder / self._name if run.folder else None
        if self._folder is not None and run.examples is not None and not run.past and self._clips:
            self._examples = list(run.examples(self._clips))

    def progressed(self, what: str, done: int, total: int) -> None:
        """Ignore progress."""

    def step_finished(self, step: StepInfo) -> None:
        """Write losses, rates, and memory."""
        found = {"loss": step.loss, "learning_rate": step.learning_rate, "memory/GB": step.memory / 1e9}
        found |= {f"loss/{name}": loss for name, loss in step.losses.items()}
        if step.scale is not None:
            found["scale"] = step.scale
        before = self._before
        seconds = step.seconds - (before.seconds if before else 0.0)
        if seconds > 0:
            found["pace/clips a second"] = (step.clips - (before.clips if before else 0)) / seconds
            found["pace/share waiting for data"] = (step.waited - (before.waited if before else 0.0)) / seconds
        self._before = step
        self._write(found, step.step)

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        """Write the means of the epoch and the metrics of its validation."""
        aside = ("epoch", "step")
        found = {
            f"validation/{name.removeprefix('val_')}" if name.startswith("val_") else f"epoch/{name}": value
            for name, value in facts.items()
            if name not in aside and isinstance(value, int | float)
        }
        self._write(found, int(facts.get("step", facts["epoch"])))

    def run_finished(self, report: Mapping[str, Any]) -> None:
        """Write the metrics of the report."""
        step = self._before.step if self._before else 0
        found = {f"report/{way}_{name}": value for way in ("t2v", "v2t") for name, value in report[way].items()}
        self._write(found, step)

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, found: Mapping[str, float], step: int) -> None:
        if self._folder is None:
            return
        if self._writer is None:
            # Steps that a killed run wrote after its last checkpoint come again, and are purged from this one on.
            self._writer = SummaryWriter(str(self._folder), purge_step=step if self._folder.is_dir() else None)
            for example in self._examples:
                self._writer.add_image(f"masks/{example.id}", strip(example), 0, dataformats="HWC")
                self._writer.add_text(f"captions/{example.id}", example.text, 0)
        for name, value in found.items():
            self._writer.add_scalar(name, value, step)


def strip(example: MaskedExample) -> NDArray[np.uint8]:
    """Return a clip as one picture `(2 h, t w, 3)`: its frames, and below them what their masks leave light."""
    light = _DIMMED + (1 - _DIMMED) * example.alpha[..., None]
    masked = (example.frames * light).round().astype(np.uint8)
    rows = [np.concatenate(list(frames), axis=1) for frames in (example.frames, masked)]
    return np.concatenate(rows, axis=0)
