"""The report of given weights: those chosen by a run, or a checkpoint under any recipe."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from fdakit.data_pipeline.cache_use import cached_clips_in_use
from fdakit.data_pipeline.splits import Splits
from fdakit.errors import collect_errors
from fdakit.evaluation.evaluator import Evaluator
from fdakit.evaluation.make_report import Report, make_report
from fdakit.evaluation.query_bank import query_bank_captions
from fdakit.inference.checkpoints import WEIGHTS, find_checkpoint, load_retriever, read_info, weights_hash
from fdakit.inference.observers import ObserverGroup
from fdakit.inference.preprocessing import preprocess_facts
from fdakit.inference.run_files import RECIPE
from fdakit.model.retriever import Retriever
from fdakit.recipe.recipe import Recipe
from fdakit.system.devices import choose_device
from fdakit.values import Split
from fdakit.version import __version__

from .moved_files import moved_file_hints
from .run_folder import RunFolder, recipe_text


@dataclass(frozen=True)
class RunResult:
    """The result of a job: the report, and its folder, if any."""

    report: Report
    folder: Path | None


def evaluate_checkpoint(
    recipe: Recipe, checkpoint: Path, *, out: Path | None = None, watchers: ObserverGroup | None = None
) -> RunResult:
    """Return the report of a checkpoint under a recipe; `checkpoint` is an fdakit folder or a weights file."""
    device = choose_device(recipe.train.device)
    with ExitStack() as held, moved_file_hints(recipe):
        watchers = watchers or held.enter_context(closing(ObserverGroup.of(recipe)))
        splits = Splits(recipe, device=device, progress=watchers.progressed)
        split, (facts, retriever) = collect_errors(
            partial(splits.load, recipe.eval.split), partial(_load, recipe, checkpoint, device=device)
        )
        held.enter_context(cached_clips_in_use([split]))
        folder = RunFolder.create(recipe, out=out) if out is not None else None
        if folder is not None:
            held.enter_context(folder.held())
            folder.write(RECIPE, recipe_text(recipe))
        return report_weights(recipe, split, retriever, device, facts, watchers, folder)


def _load(recipe: Recipe, checkpoint: Path, *, device: torch.device) -> tuple[dict[str, Any], Retriever]:
    """Return the checkpoint's facts, read first as they cost nothing, and its retriever."""
    return _facts(checkpoint), load_retriever(recipe, checkpoint, device=device)


def _facts(checkpoint: Path) -> dict[str, Any]:
    """Return the checkpoint's facts; empty for bare weights."""
    if checkpoint.is_file() and checkpoint.name != WEIGHTS:
        return {}
    return read_info(find_checkpoint(checkpoint))


def report_weights(
    recipe: Recipe,
    split: Split,
    retriever: Retriever,
    device: torch.device,
    facts: Mapping[str, Any],
    watchers: ObserverGroup,
    folder: RunFolder | None,
) -> RunResult:
    """Evaluate the weights on the split; write the report if there is a folder."""
    evaluator = Evaluator(
        recipe,
        split,
        retriever,
        device=device,
        progress=watchers.progressed,
        controls=recipe.eval.controls,
        bank=query_bank_captions(recipe, device=device, progress=watchers.progressed),
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
        finding=facts.get("finding", ""),
        random_weights=facts.get("random_weights", False),
        provenance={
            "fdakit": __version__,
            "seed": recipe.seed,
            "parts": recipe.providers(),
            "epoch": facts.get("epoch"),
            "step": facts.get("step"),
            "weights_sha256": weights_hash(retriever),
            "preprocess": preprocess_facts(retriever.preprocess),
        },
    )
    if folder is not None:
        own = recipe.control
        folder.write_report(
            report, recipe=recipe, split=split, scores=evaluated.scores[own], rankings=evaluated.rankings[own]
        )
    return RunResult(report, folder.path if folder else None)


def retitled(recipe: Recipe, *, split: str | None) -> Recipe:
    """Return the recipe with another split to report."""
    return replace(recipe, eval=recipe.eval.model_copy(update={"split": split})) if split else recipe
