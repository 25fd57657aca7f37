"""What a run is built of: data, model and trainer, before there is a run folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from fdakit.data_pipeline.loading.clip_loader import ClipLoader
from fdakit.data_pipeline.mask_calls import mask_versions
from fdakit.data_pipeline.splits import Splits
from fdakit.errors import FdakitError, collect_errors
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.checkpoint_files import BEST
from fdakit.inference.factory import WeightedObjective, build_objectives, build_retriever
from fdakit.inference.observers import ObserverGroup
from fdakit.inference.preprocessing import adopt_preprocess
from fdakit.model.retriever import Retriever
from fdakit.recipe.recipe import Recipe
from fdakit.system.ranks import Ranks
from fdakit.training.sharded_blocks import ShardedBlocks
from fdakit.training.trainer import Trainer
from fdakit.values import Split

from .early_stopping import check_patience
from .model_selection import VALIDATION
from .resume import Resumable, check_inputs, find_resumable
from .run_folder import RunFolder


@dataclass(frozen=True)
class BuiltRun:
    """What a run works with: the data, the model, and for a training its objectives and where it goes on."""

    data: Splits
    splits: Mapping[str, Split]
    retriever: Retriever
    objectives: Sequence[WeightedObjective]
    resumed: Resumable | None


def build_run(
    recipe: Recipe,
    folder: RunFolder | None,
    device: torch.device,
    watchers: ObserverGroup,
) -> BuiltRun:
    """Build the data and the model of a run; `folder` is that of one to be resumed. Raises `FdakitError`."""
    data = Splits(recipe, device=device, progress=watchers.progressed)
    training = recipe.train.epochs > 0
    resumed = find_resumable(folder) if folder and training else None
    wanted = wanted_splits(recipe, data)
    *loaded, retriever = collect_errors(
        *(partial(data.load, name) for name in wanted), partial(build_retriever, recipe, device=device)
    )
    splits: dict[str, Split] = dict(zip(wanted, loaded, strict=True))
    check_patience(recipe, splits)
    check_mask_files(recipe, splits)
    if folder is not None:
        written = resumed.checkpoint if resumed else Checkpoint.of_run(folder.checkpoint(BEST))
        adopt_preprocess(retriever, recipe, written.weights)
    objectives = build_objectives(recipe, retriever, device) if training else ()
    return BuiltRun(data, splits, retriever, objectives, resumed)


def build_trainer(
    recipe: Recipe,
    built: BuiltRun,
    folder: RunFolder | None,
    allowed: Collection[str],
    device: torch.device,
    watchers: ObserverGroup,
    clip_loader: ClipLoader,
    ranks: Ranks,
    sharded: ShardedBlocks,
) -> tuple[Trainer | None, Resumable | None]:
    """Return the trainer of a run, if it trains, and where it goes on. Raises `FdakitError`."""
    if not recipe.train.epochs:
        return None, None
    trainer = Trainer.of(
        recipe,
        built.splits["train"],
        built.retriever,
        built.objectives,
        device=device,
        watchers=watchers,
        clip_loader=clip_loader,
        ranks=ranks,
        sharded=sharded,
    )
    resumed = built.resumed
    if folder and resumed:
        resumed = check_inputs(folder, resumed, recipe, built.splits, allowed)
    return trainer, resumed


def check_mask_files(recipe: Recipe, splits: Mapping[str, Split]) -> None:
    """Raise `FdakitError` if the mask reads files of its own and cannot read those of a split's first video."""
    if version := mask_versions(recipe):
        for split in splits.values():
            version(split.videos[0].id)


def wanted_splits(recipe: Recipe, splits: Splits) -> list[str]:
    """Return train, val if it exists, and the reported split, each once; without training the last alone."""
    if not recipe.train.epochs:
        return [recipe.eval.split]
    try:
        validated = VALIDATION in splits.names()
    except FdakitError:
        validated = False  # loading will report why, together with what else is missing
    return list(dict.fromkeys(["train", *([VALIDATION] if validated else []), recipe.eval.split]))
