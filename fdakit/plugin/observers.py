"""What an observer of a run is told, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Observer(Protocol):
    """Watches a run. A failing observer is named, warned about once and left out.

    May offer `step_finished(step)`, `step_seconds` and `close()`: see `fdakit.plugin.abilities`.
    """

    def run_started(self, run: RunInfo) -> None:
        """Before the first step or, without training, before evaluation."""
        ...

    def progressed(self, what: str, done: int, total: int) -> None:
        """Long work moved on: rendering, training steps, encoding."""
        ...

    def epoch_finished(self, facts: Mapping[str, float]) -> None:
        """After each epoch: `epoch`, `loss`, `learning_rate`, `seconds`, and validation metrics if any."""
        ...

    def run_finished(self, report: Mapping[str, Any]) -> None:
        """With the report as it stands in report.json."""
        ...


@dataclass(frozen=True)
class RunInfo:
    """What an observer may know of a run: name, folder (None if nothing is written), seed, sizes.

    `parameters` are those of the retriever and its objectives, `trained` of them train: `fdakit check --verbose`
    counts the same. `done` steps are complete of a run that is resumed.

    `examples(count)` reads the first clips of the reported split with their masks, when it is called; None where no
    clip can be shown.
    """

    name: str
    folder: Path | None
    seed: int
    epochs: int
    steps: int
    parameters: int
    device: str
    past: tuple[Mapping[str, float], ...] | None = None
    trained: int = 0
    done: int = 0
    examples: Callable[[int], Sequence[MaskedExample]] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class MaskedExample:
    """A clip as the model sees it: `frames` uint8 `(t, h, w, 3)`, `alpha` float32 `(t, h, w)` in [0, 1]."""

    id: str
    text: str
    frames: NDArray[np.uint8]
    alpha: NDArray[np.float32]


@dataclass(frozen=True)
class StepInfo:
    """What an observer is told after a step: `step` from 1, of `steps`; the learning rate; the pairs of its batch.

    `losses` are those of each objective, by its name and the loss's, as `symmetric-contrastive.contrastive`, before
    weights; `loss` is their weighted sum. `scale` is the factor on the scores, of the first objective that has one.

    `seconds` were spent on steps since the training began in this process, `waited` of them waiting for batches, and
    `clips` were trained on in them: their differences between two steps give rates. `memory` are the bytes in use, of
    the device where it is a CUDA device, else of this process.
    """

    step: int
    steps: int
    epoch: int
    loss: float
    losses: Mapping[str, float]
    learning_rate: float
    pairs: int
    scale: float | None = None
    seconds: float = 0.0
    waited: float = 0.0
    clips: int = 0
    memory: int = 0
