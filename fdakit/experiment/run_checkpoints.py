"""The checkpoints of one run: what goes into them, when they are due, and the thread that writes them."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fdakit.errors import CheckpointError, FdakitError
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.checkpoint_files import BEST, LAST, PREVIOUS
from fdakit.inference.checkpoint_info import CheckpointInfo
from fdakit.inference.save_checkpoint import FINAL_ADVICE, save_checkpoint, update_info
from fdakit.inference.snapshot import Snapshot, gather_for_others, take_snapshot
from fdakit.model.retriever import Retriever
from fdakit.system.background_call import BackgroundCall
from fdakit.training.trainer import Trainer

from .fingerprint import Fingerprint
from .run_folder import RunFolder


class Abandoned(Exception):  # noqa: N818 - no error: a second signal ends the writing between two files
    """The run is interrupted at once, and the checkpoint under way is given up."""


@dataclass
class _Unwritten:
    """What is to be written, in this order, so that `last` never knows of a best one that was not written."""

    best: tuple[Snapshot, CheckpointInfo] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    last: tuple[Snapshot, CheckpointInfo] | None = None


class RunCheckpoints:
    """Writes `best`, `last` and `previous` of a run, each with its resolved recipe.

    The training waits only while its weights and state are copied; a thread writes the copy. What the disk refuses is
    told by a warning and tried again with the next checkpoint; what was saved before stays. On leaving the `with`
    block nothing is being written any more. `start` is the fingerprint of the run's inputs, `changed` what changed in
    them since; `minutes` is the time between two checkpoints inside an epoch, 0 for none. With `writes = False`
    nothing is, as on all processes of a run but one.
    """

    def __init__(
        self,
        folder: RunFolder,
        retriever: Retriever,
        *,
        recipe_text: str,
        start: Fingerprint,
        minutes: float,
        writes: bool = True,
    ) -> None:
        self.changed: Sequence[str] = ()
        self._folder, self._retriever = folder, retriever
        self._recipe_text, self._start = recipe_text, start
        self._minutes, self._writes = minutes, writes
        self._writer = BackgroundCall("fdakit checkpoint writer")
        self._abandoned = threading.Event()
        self._unwritten = _Unwritten()
        self._snapshot: Snapshot | None = None
        self._saved = time.monotonic()

    def __enter__(self) -> Self:
        self._saved = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            self._abandoned.set()  # after a request to stop all is written, and nothing under way
        self._writer.wait()
        self._snapshot, self._unwritten = None, _Unwritten()  # their memory is free for the evaluation
        self.tell()

    @property
    def run(self) -> Path:
        """The run folder."""
        return self._folder.path

    def best(self) -> Checkpoint:
        """Return the best checkpoint so far. Raises `CheckpointError` if there is none."""
        return Checkpoint.open(self._folder.checkpoint(BEST))

    def saved_step(self) -> int | None:
        """Return the step of `last` as it lies on the disk; None before the first."""
        self._writer.wait()
        try:
            return Checkpoint.open(self._folder.checkpoint(LAST)).info.step
        except CheckpointError:
            return None

    def due(self, *, share: float = 1.0) -> bool:
        """Return whether a share of the time between two checkpoints has passed, and none is being written."""
        waited = time.monotonic() - self._saved
        return self._writes and 0 < self._minutes * share <= waited / 60 and not self._writer.under_way

    def save_untrained(self, info: CheckpointInfo) -> None:
        """Write the weights as `best`, now. Raises `CheckpointError` if the disk refuses."""
        if self._writes:
            self._write_one(BEST, take_snapshot(self._retriever), info, advice=FINAL_ADVICE)

    def save(
        self,
        trainer: Trainer,
        info: CheckpointInfo,
        *,
        quality: Sequence[float] | None,
        as_best: bool = False,
        final: bool = False,
    ) -> None:
        """Copy weights and state, and have them written as `last`, and before as `best` if they are.

        `quality` is that of the best checkpoint. `final` waits until all is written, and raises `CheckpointError` if
        the disk refuses.
        """
        self._writer.wait()
        self.tell()
        if not self._writes:
            if trainer.sharded:
                gather_for_others(self._retriever, trainer.state())
            return
        snapshot = self._gather(trainer, quality)
        if as_best:
            self._unwritten.best, self._unwritten.facts = (replace(snapshot, state=None), info), {}
        self._unwritten.last = (snapshot, info)
        self._saved = time.monotonic()
        advice = FINAL_ADVICE if final else self._advice(trainer.position.done)
        self._writer.start(lambda: self._write(advice))
        if final:
            self._finish()

    def _finish(self) -> None:
        """Wait until all is written; raise what the thread met."""
        self._writer.wait()
        if error := self._writer.take_error():
            raise error

    def note_on_best(self, **facts: Any) -> None:
        """Add facts to checkpoint.json of `best` when the next checkpoint is written."""
        self._writer.wait()
        self._unwritten.facts |= facts

    def write_notes(self) -> None:
        """Write what is noted on `best`, now. Raises `CheckpointError` if the disk refuses."""
        if self._writes:
            self._writer.start(lambda: self._write(FINAL_ADVICE))
            self._finish()

    def tell(self) -> None:
        """Warn of a checkpoint that the disk refused; raise whatever else the thread met."""
        error = self._writer.take_error()
        if isinstance(error, FdakitError):
            warnings.warn(str(error), stacklevel=2)
        elif error is not None and not isinstance(error, Abandoned):
            raise error

    def _gather(self, trainer: Trainer, quality: Sequence[float] | None) -> Snapshot:
        """Return a copy of all that a training needs to go on."""
        own = {"best": list(quality or ()), "start": self._start.to_json(), "changed": list(self.changed)}
        spare = None if self._unwritten.best else self._snapshot  # a best one that is unwritten keeps its memory
        self._snapshot = take_snapshot(self._retriever, {**trainer.state(), **own}, into=spare)
        return self._snapshot

    def _advice(self, done: int) -> str:
        soon = f"in {self._minutes:g} minutes or " if self._minutes else ""
        return (
            "what was saved before stays, and training goes on; make room there or correct its permissions: it is "
            f"saved again {soon}after the epoch (this was step {done})"
        )

    def _write(self, advice: str) -> None:
        """Write what is unwritten; what cannot be written stays so."""
        todo = self._unwritten
        if todo.best:
            self._write_one(BEST, *todo.best, advice=advice)
            todo.best = None
        if todo.facts:
            update_info(self.best(), advice=advice, **todo.facts)
            todo.facts = {}
        if todo.last:
            self._write_one(LAST, *todo.last, advice=advice, keep=self._folder.checkpoint(PREVIOUS))
            todo.last = None

    def _write_one(
        self, name: str, snapshot: Snapshot, info: CheckpointInfo, *, advice: str, keep: Path | None = None
    ) -> None:
        save_checkpoint(
            self._folder.checkpoint(name),
            snapshot,
            recipe_text=self._recipe_text,
            info=info,
            keep=keep,
            advice=advice,
            proceed=self._proceed,
        )

    def _proceed(self) -> None:
        if self._abandoned.is_set():
            raise Abandoned
