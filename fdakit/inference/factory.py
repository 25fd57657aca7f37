"""From a recipe to its parts, built: the retriever, its objectives and the data set's splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from fdakit.dataset_files.video_files import is_there
from fdakit.errors import DatasetError, FdakitError, attribute_errors
from fdakit.model.retriever import Retriever
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Dataset, Progress
from fdakit.recipe.recipe import Recipe
from fdakit.system.cache_folder import cache_folder
from fdakit.values import Split, VideoRef

from .preprocessing import check_known, merged_preprocess


def base_shapes(recipe: Recipe, device: torch.device) -> BuildContext:
    """What is known before any encoder is built."""
    return BuildContext(
        image_size=recipe.view.size or 224, seed=recipe.seed, cache=cache_folder(), device=str(device)
    )


def build_retriever(recipe: Recipe, *, device: torch.device, pretrained: bool = True) -> Retriever:
    """Encoder, fusion and aggregator, with weights drawn from the recipe's seed.

    `pretrained = False` fetches no weights: a checkpoint fills them right after.
    """
    torch.manual_seed(recipe.seed)
    parts = recipe.parts
    encoder = parts["encoder"].build(replace(base_shapes(recipe, device), pretrained=pretrained))
    preprocess = merged_preprocess(recipe, encoder.preprocess, size=encoder.preprocess.size)
    if pretrained:
        check_known(preprocess)
    shapes = replace(encoder.shapes, device=str(device))
    fusion, aggregator = (parts[table].build(shapes) for table in ("fusion", "aggregator"))
    if pretrained:
        for table, part in (("fusion", fusion), ("aggregator", aggregator)):
            _start_from(str(parts[table].offer), part, encoder)
    labels = {table: str(parts[table].offer) for table in ("encoder", "fusion", "aggregator")}
    retriever = Retriever(encoder=encoder, fusion=fusion, aggregator=aggregator, preprocess=preprocess, labels=labels)
    return retriever.to(device)


def _start_from(label: str, part: Any, encoder: Any) -> None:
    if hasattr(part, "start_from"):
        with attribute_errors(label, "in start_from"):
            part.start_from(encoder)


@dataclass(frozen=True)
class WeightedObjective:
    """An objective, its weight in the sum, and its label for errors."""

    part: Any
    weight: float
    label: str
    name: str


def build_objectives(recipe: Recipe, retriever: Retriever, device: torch.device) -> tuple[WeightedObjective, ...]:
    """Every `[[objective]]`, started from the encoder and moved to the device."""
    shapes = replace(retriever.encoder.shapes, device=str(device))
    found = []
    for chosen, weight in recipe.objectives:
        part = chosen.build(shapes)
        _start_from(str(chosen.offer), part, retriever.encoder)
        if isinstance(part, nn.Module):
            part.to(device)
        found.append(WeightedObjective(part, weight, str(chosen.offer), chosen.name))
    return tuple(found)


class Splits:
    """The data set of a recipe, with absent files found before anything starts."""

    def __init__(self, recipe: Recipe, *, device: torch.device, progress: Progress) -> None:
        self._recipe = recipe
        self._progress = progress
        self._dataset: Dataset = recipe.parts["dataset"].build(base_shapes(recipe, device))

    def names(self) -> tuple[str, ...]:
        """The splits that exist. Raises `DatasetError` where the data set cannot tell."""
        with attribute_errors(str(self._recipe.parts["dataset"].offer), "while naming its splits"):
            return self._dataset.splits()

    def load(self, name: str) -> Split:
        """The split, every file checked. Raises `DatasetError` where it is empty or files are absent."""
        return self._check_files(self.listed(name))

    def listed(self, name: str) -> Split:
        """The split as the data set lists it, its files unchecked. Raises `DatasetError` where it is empty."""
        if name not in self.names():
            close = get_close_matches(name, self.names(), n=1)
            guess = f"did you mean {close[0]!r}? " if close else ""
            raise DatasetError(
                f"split {name!r}: the data set has none; it has: {', '.join(self.names()) or 'nothing'}; {guess}"
                "name one of them (eval.split for the report), or correct the data set's table"
            )
        with attribute_errors(str(self._recipe.parts["dataset"].offer), f"while loading split {name!r}"):
            split = self._dataset.load(name, self._progress)
        if not split.videos or not split.captions:
            raise DatasetError(
                f"split {name!r}: {len(split.videos)} videos and {len(split.captions)} captions; both are needed"
            )
        return split

    def _check_files(self, split: Split) -> Split:
        absent = [video for video in split.videos if not is_there(video.path)]
        if not absent:
            return split
        if not self._recipe.allow_missing:
            raise DatasetError(_absent(split, absent))
        gone = {video.id for video in absent}
        kept = tuple(video for video in split.videos if video.id not in gone)
        captions = tuple(caption for caption in split.captions if caption.video_id not in gone)
        if not kept or not captions:
            raise DatasetError(_absent(split, absent))
        return replace(split, videos=kept, captions=captions, left_out=(*split.left_out, *sorted(gone)))


def _absent(split: Split, absent: list[VideoRef]) -> str:
    shown = "; ".join(str(video.path.absolute()) for video in absent[:3])
    more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
    return (
        f"split {split.name!r}: {len(absent)} of {len(split.videos)} videos are absent: {shown}{more}; put them "
        "there, or set dataset.allow_missing = true to leave them out"
    )


def collect_errors(*steps: Callable[[], object]) -> list[Any]:
    """Run every step; where some raise a worded error, raise one with all of their lines."""
    results: list[Any] = []
    faults: list[FdakitError] = []
    for step in steps:
        try:
            results.append(step())
        except FdakitError as error:
            faults.append(error)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise FdakitError("\n".join(dict.fromkeys(str(fault) for fault in faults)))
    return results


def count_parameters(retriever: Retriever, objectives: Sequence[Any] = ()) -> tuple[int, int]:
    """Parameters of a retriever and its objectives, shared ones once: all of them, and those that train."""
    modules = [part for part in (retriever, *objectives) if isinstance(part, nn.Module)]
    values = {id(value): value for module in modules for value in module.parameters()}.values()
    return sum(v.numel() for v in values), sum(v.numel() for v in values if v.requires_grad)
