"""The checkpoints of one run: what goes into them, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.checkpoint_info import CheckpointInfo
from fdakit.inference.save_checkpoint import save_checkpoint, update_info
from fdakit.model.retriever import Retriever
from fdakit.training.trainer import Trainer

from .fingerprint import Fingerprint
from .run_folder import RunFolder


class RunCheckpoints:
    """Writes `best` and `last` of a run, each with its resolved recipe.

    `start` is the fingerprint of the run's inputs, `changed` what changed in them since.
    """

    def __init__(self, folder: RunFolder, retriever: Retriever, *, recipe_text: str, start: Fingerprint) -> None:
        self.changed: Sequence[str] = ()
        self._folder, self._retriever = folder, retriever
        self._recipe_text, self._start = recipe_text, start

    @property
    def run(self) -> Path:
        """The run folder."""
        return self._folder.path

    def best(self) -> Checkpoint:
        """Return the best checkpoint so far. Raises `CheckpointError` if there is none."""
        return Checkpoint.open(self._folder.checkpoint("best"))

    def save_best(self, info: CheckpointInfo) -> None:
        """Write the current weights as `best`. Raises `CheckpointError` if the disk refuses."""
        self._save("best", info, None)

    def save_last(self, trainer: Trainer, info: CheckpointInfo, *, best: Sequence[float] | None) -> None:
        """Write weights and training state as `last`. Raises `CheckpointError` if the disk refuses."""
        own = {"best": list(best or ()), "start": self._start.to_json(), "changed": list(self.changed)}
        self._save("last", info, {**trainer.state(), **own})

    def note_on_best(self, **facts: Any) -> None:
        """Add facts to checkpoint.json of `best`. Raises `CheckpointError` if the disk refuses."""
        update_info(self.best(), **facts)

    def _save(self, name: str, info: CheckpointInfo, state: Mapping[str, object] | None) -> None:
        folder = self._folder.checkpoint(name)
        save_checkpoint(folder, self._retriever, recipe_text=self._recipe_text, info=info, state=state)
