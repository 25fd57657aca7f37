"""`fdakit data prepare`: a data set's folder created and compared with the published data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
from pydantic import ValidationError

from fdakit.catalog import Catalog, Offer, Part
from fdakit.dataset_files.archives import Unpacked, archives_in, unpack
from fdakit.dataset_files.source_folder import FoundSource, find_sources, is_folder, make_folders, place_member
from fdakit.errors import DatasetError, FdakitError, PartError, RecipeError, attribute_errors
from fdakit.plugin.abilities import ListsSources
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Dataset, Progress
from fdakit.recipe.build_context import base_shapes
from fdakit.recipe.document import apply_settings
from fdakit.recipe.recipe import Recipe
from fdakit.recipe.validation import validate
from fdakit.system.cache_folder import cache_folder
from fdakit.values import SourceFile

from .annotation_audit import Audit, audit_splits
from .split_loading import LoadedSplits, load_splits

FOLDER_OPTIONS = ("root", "path")
"""The option of a data set for its location: the first of these that it has."""


@dataclass(frozen=True)
class PreparedDataset:
    """A data set's folder after preparation: created and unpacked files, present files, and the splits.

    `strangers` are video files in its folders that belong to no loaded split.
    """

    name: str
    root: Path
    made: tuple[Path, ...]
    unpacked: tuple[Unpacked, ...]
    sources: tuple[FoundSource, ...]
    loaded: LoadedSplits
    audit: Audit
    strangers: tuple[Path, ...]
    allow_missing: bool

    @property
    def videos(self) -> Mapping[str, Path]:
        """Every video that a split names, by path as text, each once."""
        return {str(video.path): video.path for split in self.loaded.splits for video in split.videos}

    @cached_property
    def missing(self) -> Mapping[str, Path]:
        """The videos without a file, by id, each once."""
        paths = {video.id: video.path for split in self.loaded.splits for video in split.videos}
        return {name: paths[name] for found in self.audit.splits for name in found.absent}

    def present(self) -> tuple[Path, ...]:
        """Return the existing video files that splits name, as absolute paths."""
        gone = {str(path) for path in self.missing.values()}
        return tuple(path.absolute() for text, path in self.videos.items() if text not in gone)

    def to_fetch(self) -> tuple[FoundSource, ...]:
        """Return the sources missing for a split that does not load, and folders with missing videos."""
        return tuple(each for each in self.sources if self._wanted(each))

    def _wanted(self, each: FoundSource) -> bool:
        splits = each.source.splits or tuple(self.loaded.reasons)
        waiting = any(split in self.loaded.reasons for split in splits)
        lacking = is_folder(each.source) and bool(self.missing)
        return lacking or (each.absent and waiting and not each.source.optional)

    @property
    def ready(self) -> bool:
        """Whether a run can start: all splits load, and no video is missing, unless that is allowed."""
        if self.loaded.reasons or not self.loaded.splits:
            return False
        if self.allow_missing:
            return all(len(found.absent) < len(found.split.videos) for found in self.audit.splits)
        return not self.missing


def choose_dataset(name: str, *, root: Path | None, settings: Sequence[str], catalog: Catalog) -> Recipe:
    """Return a recipe of the data set `name` at `root`, or at its default, with `dataset.KEY=VALUE` settings.

    Raises `FdakitError` if it is unknown, does not list its files, or a setting is wrong.
    """
    offer = catalog.find("dataset", name)
    if _tells_sources(offer) is False:
        raise DatasetError(_untold(name, catalog))
    strangers = [text for text in settings if not text.startswith("dataset.") or text.startswith("dataset.use=")]
    if strangers:
        raise RecipeError(f"--set {strangers[0]}: only options of the data set are taken here, as dataset.KEY=VALUE")
    where = _folder_option(offer)
    field = offer.component.options.model_fields.get(where)
    if root is None and field is not None and field.is_required() and not any(f".{where}=" in s for s in settings):
        raise RecipeError(f"fdakit data prepare {name}: no folder is named; name it with --root")
    table = {"use": name, **({where: str(root)} if root is not None else {})}
    # A recipe must name an encoder; this one is never built.
    document = apply_settings({"dataset": table, "encoder": {"use": "fdakit:tiny"}}, settings)
    return validate(document, where=f"fdakit data prepare {name}", catalog=catalog)


def _untold(name: str, catalog: Catalog) -> str:
    those = sorted({offer.component.name for offer in catalog.of_kind("dataset") if _tells_sources(offer)})
    return (
        f"data set {name!r}: names no folder and no files to prepare; those that do: {', '.join(those)} (videos of "
        "your own need no preparing: `fdakit data check RECIPE` looks through them)"
    )


def _folder_option(offer: Offer) -> str:
    keys = offer.component.options.model_fields
    return next((key for key in FOLDER_OPTIONS if key in keys), FOLDER_OPTIONS[0])


def _tells_sources(offer: Offer) -> bool | None:
    """Return whether a data set lists its source files.

    None if it cannot be built without options of the user's.
    """
    values = {key: Path() for key in FOLDER_OPTIONS if key in offer.component.options.model_fields}
    try:
        part: Part[Dataset] = Part(offer, offer.component.options.model_validate(values))
        return isinstance(part.build(BuildContext(cache=cache_folder())), ListsSources)
    except (ValidationError, FdakitError):
        return None


def prepare(recipe: Recipe, *, progress: Progress) -> PreparedDataset:
    """Create the folders, unpack archives while files are missing, load all splits and check for their videos.

    Nothing is moved, deleted or overwritten. Raises `FdakitError` if the data set offers no `sources()` and `root`,
    or the folder cannot be read or written.
    """
    part = recipe.dataset
    dataset = _build(recipe)
    with attribute_errors(str(part.offer), "while naming its files"):
        root, sources = Path(dataset.root), tuple(dataset.sources())
    strange = next((each for each in sources if not isinstance(each, SourceFile)), None)
    if strange is not None:
        raise PartError(f"{part.offer}: sources() gave {strange!r}; wanted SourceFile alone")
    given = {source.path: getattr(part.options, source.path, None) for source in sources if is_folder(source)}
    elsewhere = {name: path for name, path in given.items() if isinstance(path, Path)}
    find = partial(find_sources, root, sources, elsewhere=elsewhere)
    made = make_folders(root, [each for each in find() if each.source.path not in elsewhere])
    found, loaded, audit = _look(recipe, find(), dataset, progress)
    unpacked: tuple[Unpacked, ...] = ()
    if loaded.reasons or any(each.absent for each in audit.splits):
        unpacked = _unpack(root, found, progress)
        if any(each.files for each in unpacked):
            found, loaded, audit = _look(recipe, find(), _build(recipe), progress)
    named = {str(video.path) for split in loaded.splits for video in split.videos}
    lying = {str(path): path for each in found for path in each.videos}
    return PreparedDataset(
        name=part.name,
        root=root,
        made=made,
        unpacked=unpacked,
        sources=found,
        loaded=loaded,
        audit=audit,
        strangers=tuple(path for text, path in lying.items() if text not in named),
        allow_missing=recipe.allow_missing,
    )


def _build(recipe: Recipe) -> ListsSources:
    part = recipe.dataset
    dataset = part.build(base_shapes(recipe, torch.device("cpu")))
    if not isinstance(dataset, ListsSources):
        raise DatasetError(f"{part.offer}: offers no sources() and root, so there is nothing to prepare")
    return dataset


def _look(
    recipe: Recipe, found: tuple[FoundSource, ...], dataset: Dataset, progress: Progress
) -> tuple[tuple[FoundSource, ...], LoadedSplits, Audit]:
    loaded = load_splits(dataset, who=str(recipe.dataset.offer), progress=progress)
    return found, loaded, audit_splits(loaded.splits)


def _unpack(root: Path, found: tuple[FoundSource, ...], progress: Progress) -> tuple[Unpacked, ...]:
    """Return the results of archives in the root that contain something needed, or cannot be read."""
    done = (unpack(path, partial(place_member, root, found, path), progress=progress) for path in archives_in(root))
    return tuple(each for each in done if each.files or each.already or each.refused or each.fault)
