"""What the runs of a sweep need, tried before the first of them: what is absent is told once, not by every run."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import torch

from fdakit.data_pipeline.splits import Splits
from fdakit.errors import FdakitError, PartError, collect_errors
from fdakit.inference.factory import build_objectives, build_retriever
from fdakit.plugin.contracts import Progress
from fdakit.recipe.recipe import Recipe
from fdakit.system.terminal import ProgressBar

from .built_run import check_mask_files, wanted_splits
from .early_stopping import check_patience
from .sweep_members import Member

_MODEL = ("sampler", "mask", "encoder", "fusion", "aggregator", "matcher", "objective", "view")
_CPU = torch.device("cpu")  # the accelerator is left to the runs


def check_inputs_of(members: Iterable[Member]) -> None:
    """Load the data and build the models of these runs, those of several seeds or recipes once, and forget them.

    Raises one `FdakitError` with everything that was found, each with the recipes that it is of.
    """
    recipes = list({member.recipe.name: member.recipe for member in members}.values())
    with ProgressBar() as bar, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the runs will warn
        found = [*_errors(recipes, _data_key, partial(_load, progress=bar.progressed))]
        found += _errors(recipes, _model_key, _build)
    if found:
        told: dict[str, list[str]] = {}
        for error, names in found:
            told.setdefault(str(error), []).extend(names)
        kinds = {type(error) for error, _ in found}
        by_part = any(issubclass(kind, PartError) for kind in kinds)
        kind = PartError if by_part else kinds.pop() if len(kinds) == 1 else FdakitError
        raise kind("\n".join(f"{', '.join(dict.fromkeys(names))}: {said}" for said, names in told.items()))


def _errors(
    recipes: Sequence[Recipe], key: Callable[[Recipe], str], attempt: Callable[[Recipe], None]
) -> Iterator[tuple[FdakitError, list[str]]]:
    """Try the first of all recipes with the same key; yield its error with the names of them all."""
    alike: dict[str, list[Recipe]] = {}
    for recipe in recipes:
        alike.setdefault(key(recipe), []).append(recipe)
    for first, *others in alike.values():
        try:
            attempt(first)
        except FdakitError as error:
            yield error, [recipe.name for recipe in (first, *others)]


def _data_key(recipe: Recipe) -> str:
    train = recipe.train
    parts = [recipe.document()[table] for table in ("dataset", "mask")]
    return _plain(parts, recipe.eval.split, train.epochs > 0, train.patience > 0)


def _load(recipe: Recipe, *, progress: Progress) -> None:
    data = Splits(recipe, device=_CPU, progress=progress)
    wanted = wanted_splits(recipe, data)
    loaded = collect_errors(*(partial(data.load, name) for name in wanted))
    splits = dict(zip(wanted, loaded, strict=True))
    check_patience(recipe, splits)
    check_mask_files(recipe, splits)


def _model_key(recipe: Recipe) -> str:
    document = recipe.document()
    return _plain([document[table] for table in _MODEL], recipe.train.epochs > 0)


def _build(recipe: Recipe) -> None:
    retriever = build_retriever(recipe, device=_CPU)
    if recipe.train.epochs:
        build_objectives(recipe, retriever, _CPU)


def _plain(*facts: object) -> str:
    return json.dumps(facts, sort_keys=True, default=str)
