"""The two jobs: train and evaluate a recipe, and evaluate a checkpoint. Both make the same report."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch

from fdakit.data_pipeline.cache_use import cached_clips_in_use
from fdakit.data_pipeline.loading.clip_loader import ClipLoader
from fdakit.evaluation.evaluator import Evaluator
from fdakit.evaluation.protocol import trained_on
from fdakit.inference.checkpoint_info import CheckpointInfo
from fdakit.inference.factory import (
    count_parameters,
    has_random_weights,
)
from fdakit.inference.masked_examples import masked_examples
from fdakit.inference.observers import ObserverGroup
from fdakit.plugin.observers import RunInfo
from fdakit.recipe.recipe import Recipe
from fdakit.system.devices import choose_device, loader_workers
from fdakit.system.float32_products import tf32
from fdakit.system.process_ranks import connected_ranks
from fdakit.system.ranks import Ranks
from fdakit.training.sharded_blocks import shard_blocks
from fdakit.training.trainer import Trainer
from fdakit.training.word_clashes import indistinct_words

from .built_run import BuiltRun, build_run, build_trainer
from .checkpoint_evaluation import RunResult, report_weights
from .fingerprint import take_fingerprint
from .model_selection import VALIDATION, ModelSelection
from .moved_files import moved_file_hints
from .resume import Resumable, set_damaged_aside, settle_checkpoints
from .run_checkpoints import RunCheckpoints
from .run_curves import RunCurves
from .run_folder import RunFolder, recipe_text
from .training_run import TrainingRun

UNTRAINED = "not trained in this run"


def run_recipe(
    recipe: Recipe, *, out: Path | None = None, resume: Path | None = None, allowed: Collection[str] = ()
) -> RunResult:
    """Train, save the best checkpoint, evaluate it, write the run folder.

    `resume` resumes an interrupted run; changes since it was started are refused, except for the `allowed` kinds of
    `fingerprint.KINDS`. Raises `FdakitError` also if another process works in the folder. Of several processes that
    torchrun started, the first alone observes, warns and writes.
    """
    device = choose_device(recipe.train.device)
    with ExitStack() as held:
        ranks = held.enter_context(connected_ranks(device))
        if not ranks.leads:
            held.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        folder = None
        if resume is not None:
            folder = RunFolder(resume)
            ranks.by_first(partial(_take_over, folder, held))
            held.enter_context(moved_file_hints(recipe))
        watchers = ObserverGroup.of(recipe) if ranks.leads else ObserverGroup()
        if ranks.leads:
            watchers.add("curves.png", RunCurves())
        held.callback(watchers.close)
        held.enter_context(tf32(recipe.train.tf32))
        clip_loader = held.enter_context(ClipLoader(loader_workers(recipe.loader.workers, device), device=device))
        # Errors of all that is built are raised before a folder is created.
        built = ranks.first_alone(partial(build_run, recipe, folder, device, watchers))
        parts = [objective.part for objective in built.objectives]
        sharded = shard_blocks(built.retriever, parts, recipe.train, device=device, ranks=ranks)
        trainer, resumed = ranks.first_alone(
            partial(build_trainer, recipe, built, folder, allowed, device, watchers, clip_loader, ranks, sharded)
        )
        held.enter_context(cached_clips_in_use(built.splits.values()))
        if folder is None:
            folder = RunFolder(ranks.by_first(partial(_create, recipe, out, held)))
        job = _Run(recipe, device, watchers, folder, built, clip_loader, ranks)
        training = job.training(trainer, resumed) if trainer else None
        del built, trainer, resumed  # and the state taken up, which may be as large as the weights and moments
        return job.finish(job.train(training) if training else job.evaluate_only())


def _take_over(folder: RunFolder, held: ExitStack) -> None:
    """Lock the folder of an interrupted run, and bring it in order."""
    held.enter_context(folder.held())
    folder.check_log()
    settle_checkpoints(folder)


def _create(recipe: Recipe, out: Path | None, held: ExitStack) -> Path:
    """Create a run folder and lock it; return its path."""
    folder = RunFolder.create(recipe.name, out=out)
    held.enter_context(folder.held())
    return folder.path


class _Run:
    """One run in its folder."""

    def __init__(
        self,
        recipe: Recipe,
        device: torch.device,
        watchers: ObserverGroup,
        folder: RunFolder,
        built: BuiltRun,
        clip_loader: ClipLoader,
        ranks: Ranks,
    ) -> None:
        self.recipe = recipe
        self._clip_loader = clip_loader
        self.device = device
        self.watchers = watchers
        self.folder = folder
        self.data, self.splits, self.retriever = built.data, built.splits, built.retriever
        self.ranks = ranks
        text = recipe_text(recipe)
        if ranks.leads:
            folder.write_start(text, device)
        self._checkpoints = RunCheckpoints(
            folder,
            self.retriever,
            recipe_text=text,
            start=take_fingerprint(recipe, self.splits, progress=watchers.progressed),
            minutes=recipe.train.checkpoint_minutes,
            writes=ranks.leads,
        )
        self._trained_on = trained_on(self.splits) if "train" in self.splits else None
        self._warn_of_shared()
        words = indistinct_words(self.retriever, self.splits)
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
                done=trainer.position.done if trainer else 0,
                examples=partial(
                    masked_examples,
                    recipe=self.recipe,
                    split=self.splits[self.recipe.eval.split],
                    retriever=self.retriever,
                    device=self.device,
                ),
            )
        )

    def evaluate_only(self) -> CheckpointInfo:
        """Save the weights as built as the best checkpoint; there is no other."""
        self._announce()
        random = has_random_weights(self.retriever.encoder)
        info = CheckpointInfo(epoch=0, step=0, chosen_by=UNTRAINED, random_weights=random)
        self._checkpoints.save_untrained(info)
        return info

    def training(self, trainer: Trainer, resumed: Resumable | None) -> TrainingRun:
        """Return the training, announced, which goes on from a checkpoint if given."""
        training = TrainingRun(
            self.recipe,
            trainer,
            checkpoints=self._checkpoints,
            selection=ModelSelection(self.recipe, self._validator(), ranks=self.ranks),
            data=self._trained_on,
            ranks=self.ranks,
        )
        past = None
        if resumed is not None:
            past = training.take_up(resumed.checkpoint, resumed.state)
            self.ranks.wait()  # until all have read what they resume from
            self.ranks.by_first(partial(set_damaged_aside, self.folder, resumed))
        self._announce(trainer, past=past)
        return training

    def train(self, training: TrainingRun) -> CheckpointInfo:
        """Train to the end; return what is known of the best checkpoint, whose weights the retriever then has."""
        info = training.run()
        if training.sharded:  # each rank evaluates by itself, with whole weights
            self.retriever = self._checkpoints.best().load(self.recipe, device=self.device)
        return info

    def _validator(self) -> Evaluator | None:
        split = self.splits.get(VALIDATION)
        if split is None:
            return None
        return Evaluator.of(
            self.recipe,
            split,
            self.retriever,
            device=self.device,
            progress=self.watchers.progressed,
            clip_loader=self._clip_loader,
            ranks=self.ranks,
        )

    def finish(self, info: CheckpointInfo) -> RunResult:
        """Evaluate the chosen weights and write the report."""
        split = self.splits[self.recipe.eval.split]
        folder = self.folder if self.ranks.leads else None
        finished = report_weights(
            self.recipe,
            self.data,
            split,
            self.retriever,
            self.device,
            info,
            self.watchers,
            folder,
            clip_loader=self._clip_loader,
            ranks=self.ranks,
        )
        self.watchers.run_finished(finished.report.to_json())
        if folder is not None:
            folder.close_log()
        return finished
