"""A training in its run folder: after every epoch it is validated and saved, and it can be resumed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

from fdakit.errors import RankLostError
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.checkpoint_info import CheckpointInfo, TrainingDamage, TrainingData, TrainingState
from fdakit.recipe.recipe import Recipe
from fdakit.report.evaluation_report import BothMetrics
from fdakit.system.ranks import Ranks
from fdakit.system.stop_signals import exit_code
from fdakit.training.collapse_detection import collapse_warning
from fdakit.training.trainer import Stopped, Trainer

from .early_stopping import early_stop
from .model_selection import BY_LAST, BY_VALIDATION, VALIDATION, ModelSelection, validation_facts
from .run_checkpoints import RunCheckpoints

UNDER_WAY = "the last epoch so far (training was under way)"
WITHIN_EPOCH = "the last step saved (training was under way)"
INTERRUPTED = "interrupted"
_BEFORE_VALIDATION = 0.1  # of the time between two checkpoints: one more costs a copy, so short epochs go without it


class Interrupted(KeyboardInterrupt):
    """A signal to stop, or a request by an observer, during training, after everything was saved in `folder`."""

    def __init__(self, folder: Path, done: int, steps: int, *, signal: int, observer: str = "") -> None:
        super().__init__(f"stopped after step {done} of {steps}" + (f", as {observer} asked" if observer else ""))
        self.folder = folder
        self.code = exit_code(signal)


class TrainingRun:
    """A trainer, the checkpoints that it is saved in, and the choice of the best of them.

    `data` are the videos trained on, as reports list them.
    """

    def __init__(
        self,
        recipe: Recipe,
        trainer: Trainer,
        *,
        checkpoints: RunCheckpoints,
        selection: ModelSelection,
        data: TrainingData | None,
        ranks: Ranks,
    ) -> None:
        self._ranks = ranks
        self._recipe, self._trainer = recipe, trainer
        self._checkpoints, self._selection = checkpoints, selection
        self._data = data
        self._found = ""

    @property
    def sharded(self) -> bool:
        """Whether weights are divided over ranks; the best ones are then not loaded at the end."""
        return bool(self._trainer.sharded)

    def take_up(self, last: Checkpoint, state: TrainingState) -> tuple[Mapping[str, float], ...] | None:
        """Continue from a checkpoint; return its past epochs, None if an older fdakit did not record them.

        Raises `CheckpointError` if it does not fit.
        """
        trainer = self._trainer
        last.load_into(trainer.retriever)
        with last.fitting():
            trainer.restore(state.for_trainer())
        self._selection.best, self._checkpoints.changed = list(state.best) or None, state.changed
        self._found = self._finding(ended=bool(self._early_stop()))
        if self._data:
            self._data = self._data.model_copy(update={"remarks": (*self._data.remarks, *state.changed)})
        return tuple(trainer.history) if state.history is not None else None

    def run(self) -> CheckpointInfo:
        """Train to the end and load the best checkpoint, but into divided weights; return what is known of it.

        Raises `Interrupted` after a request to stop.
        """
        trainer = self._trainer
        if reason := self._early_stop():  # in the history of a run that is resumed
            self._checkpoints.note_on_best(stopped_early=reason)
            self._checkpoints.write_notes()
            trainer.end()
        elif self._selection.best is not None and self._checkpoints.best().info.stopped_early:
            self._checkpoints.note_on_best(stopped_early="", finding=self._found)  # patience is longer now
        try:
            with self._checkpoints:
                self._train()
        except Stopped as error:
            raise Interrupted(
                self._checkpoints.run,
                trainer.position.done,
                trainer.steps,
                signal=error.signal,
                observer=error.observer,
            ) from error
        self._ranks.wait()  # until rank 0 has written it
        best = self._checkpoints.best()
        if not trainer.sharded:
            best.load_into(trainer.retriever)
        return best.info

    def _train(self) -> None:
        """Train to the end. On a request to stop everything is saved before `Stopped` is raised."""
        try:
            self._trainer.run(self._after_epoch, self._after_step)
        except Stopped:
            self._save(self._info(chosen_by=INTERRUPTED), final=True)
            raise
        except RankLostError as error:
            if (
                self._trainer.position.step > 0 and not self._trainer.sharded
            ):  # within an epoch; between two, the last checkpoint is what counts
                self._save(self._info(chosen_by=INTERRUPTED), final=True)
            raise RankLostError(f"{error}; {self._standing()}") from error

    def _standing(self) -> str:
        """Return what is saved of the run, and how to go on with it."""
        folder = self._checkpoints.run
        step = self._checkpoints.saved_step()
        if step is None:
            return f"nothing was saved before, so start it again (what there is of it lies in {folder})"
        return (
            f"saved after step {step} of {self._trainer.steps}; go on, with any number of processes, with: "
            f"fdakit run --resume {folder}"
        )

    def _after_step(self, trainer: Trainer) -> None:
        self._checkpoints.tell()
        validating = trainer.course.at_end(trainer.position.step) and self._validates(trainer.position.epoch)
        due = self._checkpoints.due(share=_BEFORE_VALIDATION if validating and self._selection.measures else 1.0)
        if self._ranks.objects(due)[0] if trainer.sharded else due:  # all take part in gathering what is divided
            self._save(self._info(chosen_by=WITHIN_EPOCH))  # resumed from, it completes the epoch first

    def _validates(self, epoch: int) -> bool:
        """Return whether the weights are validated after an epoch, counted from 0, whose steps are all taken."""
        last = self._trainer.position.done >= self._trainer.steps
        return last or not (epoch + 1) % self._recipe.train.validate_every

    def _after_epoch(self, trainer: Trainer, epoch: int) -> dict[str, float]:
        self._take_finding()
        last = trainer.position.done >= trainer.steps
        measured, as_best = None, False
        if self._validates(epoch):
            with trainer.sharded.whole():
                measured = self._selection.measure(trainer.retriever)
            info = self._info(chosen_by=BY_LAST, measured=measured)
            as_best = self._selection.is_best(measured, last=last)
        else:
            info = self._info(chosen_by=UNDER_WAY)
        found = validation_facts(measured)
        trainer.history[-1] |= found  # in the state before any observer is notified: a kill loses no line of a log
        if reason := self._early_stop():
            self._take_finding(ended=True)
            info = info.model_copy(update={"finding": self._found, "stopped_early": reason if as_best else ""})
            if not as_best:  # as one of equal R@1 and a better mean rank is
                self._checkpoints.note_on_best(stopped_early=reason)
        self._save(info, as_best=as_best, final=last or bool(reason))
        if reason:
            trainer.end()
        return found

    def _early_stop(self) -> str:
        """Return why the validations so far end the training; "" if they do not."""
        trainer = self._trainer
        return early_stop(trainer.history, patience=self._recipe.train.patience, steps=trainer.steps)

    def _info(self, *, chosen_by: str, measured: BothMetrics | None = None) -> CheckpointInfo:
        """Return what is known of the current weights; `measured` on the validation split, if they were."""
        note = f", {self._trainer.evaluated.note}" if self._trainer.evaluated.apart else ""
        info = CheckpointInfo(
            epoch=self._trainer.position.epoch,
            step=self._trainer.position.done,
            chosen_by=chosen_by + note,
            damage=TrainingDamage.from_json(self._trainer.damage()),
            training=self._data,
            finding=self._found,
        )
        by = {"chosen_by": BY_VALIDATION + note, "chosen_on": VALIDATION, "validation": measured}
        return info if measured is None else info.model_copy(update=by)

    def _finding(self, *, ended: bool = False) -> str:
        return collapse_warning(self._trainer.history, self._recipe.train, steps=self._trainer.steps, ended=ended)

    def _take_finding(self, *, ended: bool = False) -> None:
        """Note the collapse warning of the training so far.

        It is given once, and added to the current best checkpoint.
        """
        finding = self._finding(ended=ended)
        if finding and finding != self._found:
            warnings.warn(finding, stacklevel=2)
            if self._selection.best is not None:
                self._checkpoints.note_on_best(finding=finding)
        self._found = finding

    def _save(self, info: CheckpointInfo, *, as_best: bool = False, final: bool = False) -> None:
        quality = self._selection.best
        with self._ranks.losses_noticed(), self._trainer.evaluated.shown():  # divided weights are gathered
            self._checkpoints.save(self._trainer, info, quality=quality, as_best=as_best, final=final)
