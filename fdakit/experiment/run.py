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
from fdakit.data_pipeline.splits import Splits
from fdakit.errors import FdakitError, collect_errors
from fdakit.evaluation.evaluator import Evaluator
from fdakit.evaluation.protocol import trained_on
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.checkpoint_files import BEST
from fdakit.inference.checkpoint_info import CheckpointInfo
from fdakit.inference.factory import build_objectives, build_retriever, count_parameters, has_random_weights
from fdakit.inference.observers import ObserverGroup
from fdakit.inference.preprocessing import adopt_preprocess
from fdakit.model.retriever import Retriever
from fdakit.plugin.observers import RunInfo
from fdakit.recipe.recipe import Recipe
from fdakit.system.devices import choose_device, loader_workers
from fdakit.system.float32_products import tf32
from fdakit.training.trainer import Trainer
from fdakit.training.word_clashes import indistinct_words
from fdakit.values import Split

from .checkpoint_evaluation import RunResult, report_weights
from .early_stopping import check_patience
from .fingerprint import take_fingerprint
from .model_selection import VALIDATION, ModelSelection
from .moved_files import moved_file_hints
from .resume import Resumable, check_inputs, find_resumable, set_damaged_aside, settle_checkpoints
from .run_checkpoints import RunCheckpoints
from .run_folder import RunFolder, recipe_text
from .training_run import TrainingRun

UNTRAINED = "not trained in this run"


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
            settle_checkpoints(folder)
            held.enter_context(moved_file_hints(recipe))
        watchers = ObserverGroup.of(recipe)
        held.callback(watchers.close)
        device = choose_device(recipe.train.device)
        held.enter_context(tf32(recipe.train.tf32))
        splits = Splits(recipe, device=device, progress=watchers.progressed)
        training = recipe.train.epochs > 0
        resumed = find_resumable(folder) if folder and training else None
        wanted = wanted_splits(recipe, splits)
        *loaded, retriever = collect_errors(
            *(partial(splits.load, name) for name in wanted), partial(build_retriever, recipe, device=device)
        )
        by_name: dict[str, Split] = dict(zip(wanted, loaded, strict=True))
        check_patience(recipe, by_name)
        held.enter_context(cached_clips_in_use(loaded))
        if folder is not None:
            written = resumed.checkpoint if resumed else Checkpoint.of_run(folder.checkpoint(BEST))
            adopt_preprocess(retriever, recipe, written.weights)
        # Errors of the trainer are raised before a folder is created.
        clip_loader = held.enter_context(ClipLoader(loader_workers(recipe.loader.workers, device), device=device))
        trainer = _trainer(recipe, by_name["train"], retriever, device, watchers, clip_loader) if training else None
        if folder and resumed:
            resumed = check_inputs(folder, resumed, recipe, by_name, allowed)
        if folder is None:
            folder = RunFolder.create(recipe.name, out=out)
            held.enter_context(folder.held())
        job = _Run(recipe, device, watchers, folder, splits, by_name, retriever, clip_loader)
        return job.finish(job.train(trainer, resumed) if trainer else job.evaluate_only())


def _trainer(
    recipe: Recipe,
    split: Split,
    retriever: Retriever,
    device: torch.device,
    watchers: ObserverGroup,
    clip_loader: ClipLoader,
) -> Trainer:
    objectives = build_objectives(recipe, retriever, device)
    return Trainer.of(recipe, split, retriever, objectives, device=device, watchers=watchers, clip_loader=clip_loader)


def wanted_splits(recipe: Recipe, splits: Splits) -> list[str]:
    """Return train, val if it exists, and the reported split, each once; without training the last alone."""
    if not recipe.train.epochs:
        return [recipe.eval.split]
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
        clip_loader: ClipLoader,
    ) -> None:
        self.recipe = recipe
        self._clip_loader = clip_loader
        self.device = device
        self.watchers = watchers
        self.folder = folder
        self.data = data
        self.splits = splits
        self.retriever = retriever
        text = recipe_text(recipe)
        folder.write_start(text, device)
        self._checkpoints = RunCheckpoints(
            folder,
            retriever,
            recipe_text=text,
            start=take_fingerprint(recipe, splits),
            minutes=recipe.train.checkpoint_minutes,
        )
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
        self._checkpoints.save_untrained(info)
        return info

    def train(self, trainer: Trainer, resumed: Resumable | None) -> CheckpointInfo:
        """Train to the end, from a checkpoint if given; return what is known of the best one."""
        selection = ModelSelection(self.recipe, self._validator())
        training = TrainingRun(
            self.recipe, trainer, checkpoints=self._checkpoints, selection=selection, data=self._trained_on
        )
        past = None
        if resumed is not None:
            past = training.take_up(resumed.checkpoint, resumed.state)
            set_damaged_aside(self.folder, resumed)
        self._announce(trainer, past=past)
        return training.run()

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
        )

    def finish(self, info: CheckpointInfo) -> RunResult:
        """Evaluate the chosen weights and write the report."""
        split = self.splits[self.recipe.eval.split]
        finished = report_weights(
            self.recipe,
            self.data,
            split,
            self.retriever,
            self.device,
            info,
            self.watchers,
            self.folder,
            clip_loader=self._clip_loader,
        )
        self.watchers.run_finished(finished.report.to_json())
        self.folder.close_log()
        return finished
