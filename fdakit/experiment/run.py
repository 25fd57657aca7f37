"""The two jobs: train and evaluate a recipe, and evaluate a checkpoint. Both make the same report."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch

from fdakit.data_pipeline.cache_use import cached_clips_in_use
from fdakit.data_pipeline.splits import Splits
from fdakit.errors import FdakitError, collect_errors
from fdakit.evaluation.evaluator import Evaluator
from fdakit.evaluation.make_report import both_metrics
from fdakit.evaluation.protocol import trained_on
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.checkpoint_info import CheckpointInfo, TrainingDamage, TrainingState
from fdakit.inference.factory import build_objectives, build_retriever, count_parameters, has_random_weights
from fdakit.inference.observers import ObserverGroup
from fdakit.inference.preprocessing import adopt_preprocess
from fdakit.inference.save_checkpoint import save_checkpoint, update_info
from fdakit.model.retriever import Retriever
from fdakit.plugin.contracts import DIRECTIONS
from fdakit.plugin.observers import RunInfo
from fdakit.recipe.recipe import Recipe
from fdakit.report.evaluation_report import BothMetrics, in_direction
from fdakit.system.devices import choose_device
from fdakit.system.stop_signals import exit_code
from fdakit.training.collapse_detection import collapse_warning
from fdakit.training.trainer import Stopped, Trainer
from fdakit.training.word_clashes import indistinct_words
from fdakit.values import Split

from .checkpoint_evaluation import RunResult, report_weights
from .fingerprint import take_fingerprint
from .moved_files import moved_file_hints
from .resume import resumed_state
from .run_folder import RunFolder, recipe_text

VALIDATION = "val"
BY_VALIDATION = "best R@1 text to video on the validation split"
BY_LAST = "last epoch (no validation split)"
UNDER_WAY = "the last epoch so far (training was under way)"
INTERRUPTED = "interrupted"
UNTRAINED = "not trained in this run"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, SIGTERM or a request by an observer during training, after everything was saved in `folder`."""

    def __init__(self, folder: Path, done: int, steps: int, *, signal: int, observer: str = "") -> None:
        super().__init__(f"stopped after step {done} of {steps}" + (f", as {observer} asked" if observer else ""))
        self.folder = folder
        self.code = exit_code(signal)


def run_recipe(
    recipe: Recipe, *, out: Path | None = None, resume: Path | None = None, allowed: Collection[str] = ()
) -> RunResult:
    """Train, save the best checkpoint, evaluate it, write the run folder.

    `resume` resumes an interrupted run; changes since it was started are refused, except for the `allowed` kinds of
    `fingerprint.KINDS`. Raises `FdakitError` also if another process works in the folder.
    """
    with ExitStack() as held:
        folder = None
        if resume is not None:
            folder = RunFolder(resume)
            held.enter_context(folder.held())
            folder.check_log()
            held.enter_context(moved_file_hints(recipe))
        watchers = ObserverGroup.of(recipe)
        held.callback(watchers.close)
        device = choose_device(recipe.train.device)
        splits = Splits(recipe, device=device, progress=watchers.progressed)
        training = recipe.train.epochs > 0
        wanted = _wanted(recipe, splits) if training else [recipe.eval.split]
        *loaded, retriever = collect_errors(
            *(partial(splits.load, name) for name in wanted), partial(build_retriever, recipe, device=device)
        )
        by_name: dict[str, Split] = dict(zip(wanted, loaded, strict=True))
        held.enter_context(cached_clips_in_use(loaded))
        if folder is not None:
            written = Checkpoint.of_run(folder.checkpoint("last" if training else "best"))
            adopt_preprocess(retriever, recipe, written.weights)
        # Errors of the trainer are raised before a folder is created.
        trainer = _trainer(recipe, by_name["train"], retriever, device, watchers) if training else None
        state = resumed_state(folder, recipe, by_name, allowed) if folder and trainer else None
        if folder is None:
            folder = RunFolder.create(recipe.name, out=out)
            held.enter_context(folder.held())
        job = _Run(recipe, device, watchers, folder, splits, by_name, retriever)
        return job.finish(job.train(trainer, state) if trainer else job.evaluate_only())


def _trainer(
    recipe: Recipe, split: Split, retriever: Retriever, device: torch.device, watchers: ObserverGroup
) -> Trainer:
    objectives = build_objectives(recipe, retriever, device)
    return Trainer.of(recipe, split, retriever, objectives, device=device, watchers=watchers)


def _wanted(recipe: Recipe, splits: Splits) -> list[str]:
    """Return train, val if it exists, and the reported split, each once."""
    try:
        validated = VALIDATION in splits.names()
    except FdakitError:
        validated = False  # loading will report why, together with what else is missing
    return list(dict.fromkeys(["train", *([VALIDATION] if validated else []), recipe.eval.split]))


class _Run:
    """One run in its folder."""

    def __init__(
        self,
        recipe: Recipe,
        device: torch.device,
        watchers: ObserverGroup,
        folder: RunFolder,
        data: Splits,
        splits: Mapping[str, Split],
        retriever: Retriever,
    ) -> None:
        self.recipe = recipe
        self.device = device
        self.watchers = watchers
        self.folder = folder
        self.data = data
        self.splits = splits
        self.retriever = retriever
        self._text = recipe_text(recipe)
        folder.write_start(self._text, device)
        self._best: list[float] | None = None
        self._changed: list[str] = []
        self._found = ""
        self._start = take_fingerprint(recipe, splits)
        self._trained_on = trained_on(splits) if "train" in splits else None
        self._warn_of_shared()
        words = indistinct_words(retriever, splits)
        if words:
            warnings.warn(words, stacklevel=2)

    def _warn_of_shared(self) -> None:
        for name, count in self._trained_on.shared.items() if self._trained_on else ():
            if count and name != "train":
                warnings.warn(
                    f"split {name!r}: {count} of {len(self.splits[name].videos)} videos are trained on too, so its "
                    "numbers flatter the model; `fdakit data check` names them",
                    stacklevel=2,
                )

    def _announce(
        self, trainer: Trainer | None = None, *, past: tuple[Mapping[str, float], ...] | None = None
    ) -> None:
        parameters, trained = count_parameters(self.retriever, trainer.objectives if trainer else ())
        self.watchers.run_started(
            RunInfo(
                name=self.recipe.name,
                folder=self.folder.path,
                seed=self.recipe.seed,
                epochs=self.recipe.train.epochs,
                steps=trainer.steps if trainer else 0,
                parameters=parameters,
                trained=trained if trainer else 0,
                device=str(self.device),
                past=past,
            )
        )

    def evaluate_only(self) -> CheckpointInfo:
        """Save the weights as built as the best checkpoint; there is no other."""
        self._announce()
        random = has_random_weights(self.retriever.encoder)
        info = CheckpointInfo(epoch=0, step=0, chosen_by=UNTRAINED, random_weights=random)
        self._save("best", info, None)
        return info

    def train(self, trainer: Trainer, state: TrainingState | None) -> CheckpointInfo:
        """Train to the end, from a state if given; return what is known of the best checkpoint."""
        past = None
        if state is not None:
            self._take_up(trainer, state)
            past = tuple(trainer.history) if state.history is not None else None
        validation = self._validator()
        self._announce(trainer, past=past)
        try:
            trainer.run(lambda t, epoch: self._after_epoch(t, epoch, validation))
        except Stopped as error:
            self._save_last(trainer, self._info(trainer, epoch=trainer.position.epoch, chosen_by=INTERRUPTED))
            done = trainer.position.done
            raise Interrupted(
                self.folder.path, done, trainer.steps, signal=error.signal, observer=error.observer
            ) from error
        best = Checkpoint.open(self.folder.checkpoint("best"))
        best.load_into(self.retriever)
        return best.info

    def _take_up(self, trainer: Trainer, state: TrainingState) -> None:
        last = Checkpoint.of_run(self.folder.checkpoint("last"))
        last.load_into(self.retriever)
        with last.fitting():
            trainer.restore(state.for_trainer())
        self._best, self._changed = list(state.best) or None, list(state.changed)
        self._found = collapse_warning(trainer.history, self.recipe.train, steps=trainer.steps)
        if self._trained_on:
            remarks = (*self._trained_on.remarks, *self._changed)
            self._trained_on = self._trained_on.model_copy(update={"remarks": remarks})

    def _validator(self) -> Evaluator | None:
        split = self.splits.get(VALIDATION)
        if split is None:
            return None
        return Evaluator.of(self.recipe, split, self.retriever, device=self.device, progress=self.watchers.progressed)

    def _after_epoch(self, trainer: Trainer, epoch: int, validation: Evaluator | None) -> dict[str, float]:
        self._take_finding(trainer)
        last = trainer.position.done >= trainer.steps
        measured = None
        if last or not (epoch + 1) % self.recipe.train.validate_every:
            measured = self._measured(validation) if validation else None
            info = self._info(trainer, epoch=epoch + 1, chosen_by=BY_LAST, measured=measured)
            if self._is_best(measured, last=last):
                self._save("best", info, None)
        else:
            info = self._info(trainer, epoch=epoch + 1, chosen_by=UNDER_WAY)
        found = _validation_facts(measured)
        trainer.history[-1] |= found  # in the state before any observer is notified: a kill loses no line of a log
        self._save_last(trainer, info)
        return found

    def _measured(self, validation: Evaluator) -> BothMetrics:
        rankings = validation.run(self.retriever).rankings[self.recipe.control]
        return both_metrics(rankings, self.recipe.eval.ties)

    def _is_best(self, measured: BothMetrics | None, *, last: bool) -> bool:
        """Note the quality of the best checkpoint so far, and return whether it is the current one."""
        if measured is None:
            return last
        quality = [measured.t2v["R@1"], -measured.t2v["MnR"]]
        if self._best is not None and quality <= self._best:
            return False
        self._best = quality
        return True

    def _info(
        self, trainer: Trainer, *, epoch: int, chosen_by: str, measured: BothMetrics | None = None
    ) -> CheckpointInfo:
        """Return what is known of the current weights; `measured` on the validation split, if they were."""
        info = CheckpointInfo(
            epoch=epoch,
            step=trainer.position.done,
            chosen_by=chosen_by,
            damage=TrainingDamage.from_json(trainer.damage()),
            training=self._trained_on,
            finding=self._found,
        )
        by = {"chosen_by": BY_VALIDATION, "chosen_on": VALIDATION, "validation": measured}
        return info if measured is None else info.model_copy(update=by)

    def _take_finding(self, trainer: Trainer) -> None:
        """Note the collapse warning of the training so far.

        It is given once, and added to the current best checkpoint.
        """
        finding = collapse_warning(trainer.history, self.recipe.train, steps=trainer.steps)
        if finding and finding != self._found:
            warnings.warn(finding, stacklevel=2)
            if self._best is not None:
                update_info(Checkpoint.open(self.folder.checkpoint("best")), finding=finding)
        self._found = finding

    def _save_last(self, trainer: Trainer, info: CheckpointInfo) -> None:
        own = {"best": self._best or [], "start": self._start.to_json(), "changed": self._changed}
        self._save("last", info, {**trainer.state(), **own})

    def _save(self, name: str, info: CheckpointInfo, state: Mapping[str, object] | None) -> None:
        save_checkpoint(self.folder.checkpoint(name), self.retriever, recipe_text=self._text, info=info, state=state)

    def finish(self, info: CheckpointInfo) -> RunResult:
        """Evaluate the chosen weights and write the report."""
        split = self.splits[self.recipe.eval.split]
        finished = report_weights(
            self.recipe, self.data, split, self.retriever, self.device, info, self.watchers, self.folder
        )
        self.watchers.run_finished(finished.report.to_json())
        self.folder.close_log()
        return finished


def _validation_facts(measured: BothMetrics | None) -> dict[str, float]:
    """Return the metrics as observers receive them."""
    if measured is None:
        return {}
    return {f"val_{way}_{name}": value for way in DIRECTIONS for name, value in in_direction(measured, way).items()}
