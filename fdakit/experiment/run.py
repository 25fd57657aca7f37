"""The two jobs: train and evaluate a recipe, and evaluate a checkpoint. Both give the same report."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from fdakit.contracts import RunInfo
from fdakit.errors import FdakitError
from fdakit.model.retriever import Retriever
from fdakit.recipe import Recipe
from fdakit.system.stopping import exit_code
from fdakit.values import Split
from fdakit.version import __version__

from .bank import bank_captions
from .build import Splits, build_objectives, build_retriever, count_parameters, together
from .checkpoints import (
    WEIGHTS,
    find_checkpoint,
    fitting,
    load_weights,
    read_facts,
    read_state,
    save_checkpoint,
    standing_checkpoint,
    weights_hash,
)
from .devices import choose_device
from .evaluation import Evaluator
from .protocol import trained_on
from .reporting import Report, both_metrics, make_report
from .run_folder import RECIPE, RunFolder, recipe_text
from .training import Stopped, Trainer
from .watching import Watchers

VALIDATION = "val"
BY_VALIDATION = "best R@1 text to video on the validation split"
BY_LAST = "last epoch (no validation split)"
UNTRAINED = "not trained in this run"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM during training, after everything was saved in `folder`."""

    def __init__(self, folder: Path, done: int, steps: int, *, signal: int) -> None:
        super().__init__(f"stopped after step {done} of {steps}")
        self.folder = folder
        self.code = exit_code(signal)


@dataclass(frozen=True)
class Finished:
    """A finished job: the report, and the folder it lies in, if any."""

    report: Report
    folder: Path | None


def run_recipe(recipe: Recipe, *, out: Path | None = None, resume: Path | None = None) -> Finished:
    """Train, keep the best checkpoint, evaluate it, write the run folder. `resume` takes up a stopped run."""
    watchers = Watchers.of(recipe)
    device = choose_device(recipe.train.device)
    splits = Splits(recipe, device=device, progress=watchers.progressed)
    training = recipe.train.epochs > 0
    wanted = _wanted(recipe, splits) if training else [recipe.eval.split]
    *loaded, retriever = together(
        *(partial(splits.load, name) for name in wanted), partial(build_retriever, recipe, device=device)
    )
    by_name: dict[str, Split] = dict(zip(wanted, loaded, strict=True))
    # Whatever the trainer finds at fault is said before there is a folder.
    trainer = _trainer(recipe, by_name["train"], retriever, device, watchers) if training else None
    folder = RunFolder(resume) if resume else RunFolder.create(recipe, out=out)
    job = _Job(recipe, device, watchers, folder, by_name, retriever)
    facts = job.train(trainer, resumed=resume is not None) if trainer else job.evaluate_only()
    return job.finish(facts)


def _trainer(recipe: Recipe, split: Split, retriever: Retriever, device: torch.device, watchers: Watchers) -> Trainer:
    objectives = build_objectives(recipe, retriever, device)
    return Trainer(recipe, split, retriever, objectives, device=device, watchers=watchers)


def _wanted(recipe: Recipe, splits: Splits) -> list[str]:
    """Train, val where there is one, and the split that is reported, each once."""
    try:
        validated = VALIDATION in splits.names()
    except FdakitError:
        validated = False  # loading says why, together with what else is missing
    return list(dict.fromkeys(["train", *([VALIDATION] if validated else []), recipe.eval.split]))


class _Job:
    """One run in its folder."""

    def __init__(
        self,
        recipe: Recipe,
        device: torch.device,
        watchers: Watchers,
        folder: RunFolder,
        splits: Mapping[str, Split],
        retriever: Retriever,
    ) -> None:
        self.recipe = recipe
        self.device = device
        self.watchers = watchers
        self.folder = folder
        self.splits = splits
        self.retriever = retriever
        self._text = folder.write_start(recipe, device)
        self._best: list[float] | None = None
        self._trained_on = trained_on(splits) if "train" in splits else {}
        self._warn_of_shared()

    def _warn_of_shared(self) -> None:
        for name, count in self._trained_on.get("shared", {}).items():
            if count and name != "train":
                warnings.warn(
                    f"split {name!r}: {count} of {len(self.splits[name].videos)} videos are trained on too, so its "
                    "numbers flatter the model; `fdakit data check` names them",
                    stacklevel=2,
                )

    def _announce(self, trainer: Trainer | None = None) -> None:
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
            )
        )

    def evaluate_only(self) -> dict[str, Any]:
        """Without training the weights as built are the best and the last."""
        self._announce()
        facts = {"epoch": 0, "step": 0, "chosen_by": UNTRAINED}
        for name in ("best", "last"):
            self._save(name, facts, None)
        return facts

    def train(self, trainer: Trainer, *, resumed: bool) -> dict[str, Any]:
        """Train to the end; returns what the best checkpoint says of itself."""
        if resumed:
            self._take_up(trainer)
        validation = self._validator()
        self._announce(trainer)
        try:
            trainer.run(lambda t, epoch: self._after_epoch(t, epoch, validation))
        except Stopped as error:
            self._save_last(trainer)
            done = trainer.position.done
            raise Interrupted(self.folder.path, done, trainer.steps, signal=error.signal) from error
        best = find_checkpoint(self.folder.checkpoint("best"))
        load_weights(self.retriever, best / WEIGHTS)
        return read_facts(best)

    def _take_up(self, trainer: Trainer) -> None:
        last = standing_checkpoint(self.folder.checkpoint("last"))
        state = read_state(last)
        load_weights(self.retriever, last / WEIGHTS)
        with fitting(last):
            trainer.restore(state)
            self._best = list(state["best"]) or None

    def _validator(self) -> Evaluator | None:
        split = self.splits.get(VALIDATION)
        if split is None:
            return None
        return Evaluator(self.recipe, split, self.retriever, device=self.device, progress=self.watchers.progressed)

    def _after_epoch(self, trainer: Trainer, epoch: int, validation: Evaluator | None) -> dict[str, float]:
        last = trainer.position.done >= trainer.steps
        if not last and (epoch + 1) % self.recipe.train.validate_every:
            return {}
        facts: dict[str, Any] = {"epoch": epoch + 1, "step": trainer.position.done, "chosen_by": BY_LAST}
        facts |= {"damage": trainer.damage(), "training": self._trained_on}
        found: dict[str, float] = {}
        if validation is not None:
            rankings = validation.run(self.retriever).rankings[self.recipe.control]
            measured = both_metrics(rankings, self.recipe)
            found = {f"val_{way}_{name}": value for way, m in measured.items() for name, value in m.items()}
            quality = [measured["t2v"]["R@1"], -measured["t2v"]["MnR"]]
            facts |= {"chosen_by": BY_VALIDATION, "chosen_on": VALIDATION, "validation": measured}
            if self._best is None or quality > self._best:
                self._best = quality
                self._save("best", facts, None)
        elif last:
            self._save("best", facts, None)
        self._save_last(trainer, facts)
        return found

    def _save_last(self, trainer: Trainer, facts: Mapping[str, Any] | None = None) -> None:
        here = {"epoch": trainer.position.epoch, "step": trainer.position.done, "damage": trainer.damage()}
        known = facts or {**here, "training": self._trained_on, "chosen_by": "interrupted"}
        self._save("last", known, {**trainer.state(), "best": self._best or []})

    def _save(self, name: str, facts: Mapping[str, Any], state: Mapping[str, Any] | None) -> None:
        save_checkpoint(
            self.folder.checkpoint(name), self.retriever, recipe_text=self._text, facts=facts, state=state
        )

    def finish(self, facts: Mapping[str, Any]) -> Finished:
        """Evaluate the chosen weights and write the report."""
        split = self.splits[self.recipe.eval.split]
        finished = _evaluate(self.recipe, split, self.retriever, self.device, facts, self.watchers, self.folder)
        self.watchers.run_finished(finished.report)
        return finished


def evaluate_checkpoint(
    recipe: Recipe, checkpoint: Path, *, out: Path | None = None, watchers: Watchers | None = None
) -> Finished:
    """The report of a checkpoint under a recipe; `checkpoint` is a folder of ours or a weights file."""
    watchers = watchers or Watchers.of(recipe)
    device = choose_device(recipe.train.device)
    splits = Splits(recipe, device=device, progress=watchers.progressed)
    split, retriever = together(
        partial(splits.load, recipe.eval.split), partial(load_retriever, recipe, checkpoint, device=device)
    )
    folder = RunFolder.create(recipe, out=out) if out is not None else None
    if folder is not None:
        folder.write(RECIPE, recipe_text(recipe))
    facts = read_facts(checkpoint.parent if checkpoint.is_file() else find_checkpoint(checkpoint))
    return _evaluate(recipe, split, retriever, device, facts, watchers, folder)


def load_retriever(recipe: Recipe, checkpoint: Path, *, device: torch.device) -> Retriever:
    """The recipe's retriever with the weights of a checkpoint folder, a run folder or a weights file."""
    weights = checkpoint if checkpoint.is_file() else find_checkpoint(checkpoint) / WEIGHTS
    retriever = build_retriever(recipe, device=device, pretrained=False)
    load_weights(retriever, weights)
    return retriever.eval()


def _evaluate(
    recipe: Recipe,
    split: Split,
    retriever: Retriever,
    device: torch.device,
    facts: Mapping[str, Any],
    watchers: Watchers,
    folder: RunFolder | None,
) -> Finished:
    evaluator = Evaluator(
        recipe,
        split,
        retriever,
        device=device,
        progress=watchers.progressed,
        controls=recipe.eval.controls,
        bank=bank_captions(recipe, device=device, progress=watchers.progressed),
    )
    evaluated = evaluator.run(retriever)
    report = make_report(
        recipe,
        split,
        evaluated,
        selection=str(facts.get("chosen_by", "given weights")),
        chosen_on=facts.get("chosen_on"),
        training_damage=facts.get("damage", {}),
        training=facts.get("training"),
        provenance={
            "fdakit": __version__,
            "seed": recipe.seed,
            "parts": recipe.providers(),
            "epoch": facts.get("epoch"),
            "step": facts.get("step"),
            "weights_sha256": weights_hash(retriever),
        },
    )
    if folder is not None:
        own = recipe.control
        folder.write_report(
            report, recipe=recipe, split=split, scores=evaluated.scores[own], rankings=evaluated.rankings[own]
        )
    return Finished(report, folder.path if folder else None)


def retitled(recipe: Recipe, *, split: str | None) -> Recipe:
    """The recipe with another split to report."""
    return replace(recipe, eval=recipe.eval.model_copy(update={"split": split})) if split else recipe
