"""The report of given weights: those chosen by a run, or a checkpoint under any recipe."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from fdakit.data_pipeline.cache_use import cached_clips_in_use
from fdakit.data_pipeline.loading.clip_loader import ClipLoader
from fdakit.data_pipeline.splits import Splits
from fdakit.errors import collect_errors
from fdakit.evaluation.evaluator import Evaluator, StoredVideos
from fdakit.evaluation.make_report import make_report
from fdakit.evaluation.protocol import protocol
from fdakit.evaluation.query_bank import query_bank_captions
from fdakit.inference.checkpoint import Checkpoint
from fdakit.inference.checkpoint_info import CheckpointInfo
from fdakit.inference.observers import ObserverGroup
from fdakit.inference.preprocessing import preprocess_facts
from fdakit.inference.run_files import RECIPE
from fdakit.inference.save_checkpoint import weights_hash
from fdakit.model.retriever import Retriever
from fdakit.recipe.recipe import Recipe
from fdakit.report.evaluation_report import Provenance, Report
from fdakit.search.indexed_features import IndexedVideos
from fdakit.system.devices import choose_device
from fdakit.system.float32_products import tf32
from fdakit.system.process_ranks import connected_ranks
from fdakit.system.ranks import Ranks
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
    recipe: Recipe,
    checkpoint: Checkpoint | Path,
    *,
    out: Path | None = None,
    watchers: ObserverGroup | None = None,
    index: Path | None = None,
) -> RunResult:
    """Return the report of a checkpoint under a recipe, its own or another.

    A path is opened here, so that an absent checkpoint and absent data are reported together. With an `index` the
    vectors of videos are taken from it, and no control is evaluated.
    """
    if index is not None:
        recipe = replace(recipe, eval=recipe.eval.model_copy(update={"controls": ()}))
    device = choose_device(recipe.train.device)
    with ExitStack() as held, moved_file_hints(recipe), tf32(recipe.train.tf32):
        ranks = held.enter_context(connected_ranks(device))
        if not ranks.leads:
            watchers = ObserverGroup()
        watchers = watchers or held.enter_context(closing(ObserverGroup.of(recipe)))
        splits = Splits(recipe, device=device, progress=watchers.progressed)
        split, (info, retriever) = ranks.first_alone(
            partial(
                collect_errors,
                partial(splits.load, recipe.eval.split),
                partial(_load, recipe, checkpoint, device=device),
            )
        )
        held.enter_context(cached_clips_in_use([split]))
        folder = None
        if out is not None and ranks.leads:
            folder = RunFolder.create(recipe.name, out=out)
            held.enter_context(folder.held())
            folder.write(RECIPE, recipe_text(recipe))
        stored = None if index is None else IndexedVideos.of(index, recipe, retriever)
        return report_weights(
            recipe, splits, split, retriever, device, info, watchers, folder, ranks=ranks, stored=stored
        )


def _load(recipe: Recipe, checkpoint: Checkpoint | Path, *, device: torch.device) -> tuple[CheckpointInfo, Retriever]:
    """Return what is known of the checkpoint, read first as it costs nothing, and its retriever."""
    opened = Checkpoint.open(checkpoint) if isinstance(checkpoint, Path) else checkpoint
    return opened.info, opened.load(recipe, device=device)


def report_weights(
    recipe: Recipe,
    splits: Splits,
    split: Split,
    retriever: Retriever,
    device: torch.device,
    info: CheckpointInfo,
    watchers: ObserverGroup,
    folder: RunFolder | None,
    *,
    ranks: Ranks,
    clip_loader: ClipLoader | None = None,
    stored: StoredVideos | None = None,
) -> RunResult:
    """Evaluate the weights on the split, one of `splits`; rank 0 writes the report if it has a folder."""
    evaluator = Evaluator.of(
        recipe,
        split,
        retriever,
        device=device,
        progress=watchers.progressed,
        controls=recipe.eval.controls,
        bank=query_bank_captions(recipe.rescoring, splits, recipe.eval, seed=recipe.seed, where=recipe.where),
        clip_loader=clip_loader,
        ranks=ranks,
        stored=stored,
    )
    encoded = evaluator.encode(retriever)

    def reported() -> RunResult:
        assert encoded is not None  # as rank 0 asks
        evaluated = evaluator.score(retriever, encoded)
        report = make_report(
            evaluated,
            split,
            name=recipe.name,
            protocol=protocol(recipe, split, info, retriever.encoder),
            rules=recipe.eval,
            info=info,
            provenance=_provenance(recipe, retriever, info),
            rescoring=recipe.rescoring,
            metric_parts=recipe.metrics,
        )
        if folder is not None:
            own = recipe.control
            folder.write_report(report, split=split, scores=evaluated.scores[own], rankings=evaluated.rankings[own])
        return RunResult(report, folder.path if folder else None)

    return ranks.by_first(reported)


def _provenance(recipe: Recipe, retriever: Retriever, info: CheckpointInfo) -> Provenance:
    return Provenance(
        fdakit=__version__,
        seed=recipe.seed,
        parts=recipe.providers(),
        epoch=info.epoch,
        step=info.step,
        weights_sha256=weights_hash(retriever),
        preprocess=preprocess_facts(retriever.preprocess),
    )


def retitled(recipe: Recipe, *, split: str | None) -> Recipe:
    """Return the recipe with another split to report."""
    return replace(recipe, eval=recipe.eval.model_copy(update={"split": split})) if split else recipe
