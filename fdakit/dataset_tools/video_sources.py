"""The video files of a source: a folder, a list, a single file, or all splits of a recipe."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from fdakit.catalog import Catalog
from fdakit.data_pipeline.damage import ledger_path
from fdakit.dataset_files.annotations import read_name_lines
from fdakit.dataset_files.table_rows import read_table_rows
from fdakit.dataset_files.video_files import VIDEO_ENDINGS
from fdakit.errors import DatasetError, RecipeError, collect_errors
from fdakit.plugin.contracts import Progress
from fdakit.recipe.build_context import base_shapes
from fdakit.recipe.document import nearest_recipe, shipped_recipes
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import read_recipe

from .split_loading import LoadedSplits, load_without_videos

LISTS = (".txt", ".csv", ".tsv", ".jsonl")


@dataclass(frozen=True)
class VideoCollection:
    """The files, each once, as absolute paths, and the path of their ledger; for recipes also their splits."""

    paths: tuple[Path, ...]
    ledger: Path
    annotations: Mapping[str, LoadedSplits] = field(default_factory=dict)


def find_collection(
    sources: Sequence[str],
    *,
    catalog: Catalog,
    settings: Sequence[str] = (),
    column: str = "path",
    ledger: Path | None = None,
    progress: Progress,
) -> VideoCollection:
    """Return the videos of all sources, whether or not they exist.

    Folders are searched for known suffixes, without hidden names. A list is text with a path a line, or a table whose
    `column` holds paths; relative ones start at the list's folder. `settings` change recipes. The ledger is the one
    given, else a recipe's own, else that in the cache folder. Splits of a recipe that cannot be loaded are left out,
    with the reason in `annotations`. Raises `FdakitError` with the faults of all sources, including recipes of which
    no split can be loaded.
    """
    found: list[Path] = []
    ledgers: set[Path] = set()
    annotations: dict[str, LoadedSplits] = {}
    steps = [
        partial(_of_source, s, catalog=catalog, settings=settings, column=column, progress=progress) for s in sources
    ]
    for source, (paths, recipe, loaded) in zip(sources, collect_errors(*steps), strict=True):
        found += [path.absolute() for path in paths]
        if recipe is not None and loaded is not None:
            ledgers.add(ledger_path(recipe.loader))
            annotations[source] = loaded
    if settings and not ledgers:
        raise RecipeError("--set: changes recipes, and none is checked here; leave it out")
    if ledger is None and len(ledgers) > 1:
        raise RecipeError("loader.ledger: these recipes have different ones; name one for all with --ledger")
    lies = ledger or (ledgers.pop() if ledgers else ledger_path(None))
    return VideoCollection(tuple(dict.fromkeys(found)), lies, annotations)


def _of_source(
    source: str, *, catalog: Catalog, settings: Sequence[str], column: str, progress: Progress
) -> tuple[list[Path], Recipe | None, LoadedSplits | None]:
    path = Path(source)
    if path.is_dir():
        return _walked(path), None, None
    if path.is_file() and path.suffix.lower() in LISTS:
        return _listed(path, column=column), None, None
    if path.is_file() and path.suffix.lower() != ".toml":
        return [path], None, None
    shipped = shipped_recipes()
    if not path.is_file() and path.with_suffix("").as_posix().removeprefix("recipes/") not in shipped:
        raise DatasetError(
            f"{path.absolute()}: no such file or folder; give a folder of videos, a list ({', '.join(LISTS)}), a "
            f"video, or a recipe: {nearest_recipe(source)}"
        )
    recipe = read_recipe(source, catalog=catalog, settings=settings)
    loaded = _of_recipe(recipe, progress=progress)
    return [video.path for split in loaded.splits for video in split.videos], recipe, loaded


def _walked(folder: Path) -> list[Path]:
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in sorted(names) if not name.startswith(".")]
    videos = [path for path in found if path.suffix.lower() in VIDEO_ENDINGS]
    if not videos:
        raise DatasetError(
            f"{folder.absolute()}: no video among its {len(found)} files; name a folder that holds files ending in "
            f"{', '.join(sorted(VIDEO_ENDINGS))}, or a list of files"
        )
    return videos


def _listed(path: Path, *, column: str) -> list[Path]:
    if path.suffix.lower() != ".txt":
        values = [str(row.fields[column]) for row in read_table_rows(path, {column: "--column"}, names=[column])]
    else:
        values = [line.strip() for line in read_name_lines(path, advice="fix the list", what="list")]
    named = [value for value in values if value.strip()]
    if not named:
        raise DatasetError(f"{path.absolute()}: names no video; write one path a line")
    return [path.parent / value for value in named]


def _of_recipe(recipe: Recipe, *, progress: Progress) -> LoadedSplits:
    shapes = base_shapes(recipe, torch.device("cpu"))
    return load_without_videos(recipe.dataset, shapes, progress=progress).need_some()
