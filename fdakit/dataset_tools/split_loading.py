"""Loading of all splits of a data set, each separately: one that fails does not hide the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fdakit.catalog import Part
from fdakit.dataset_files.layout import locate_source
from fdakit.dataset_files.source_folder import is_folder
from fdakit.errors import DatasetError, FdakitError, PartError, attribute_errors
from fdakit.plugin.abilities import ListsSources
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Dataset, Progress
from fdakit.values import Split


@dataclass(frozen=True)
class LoadedSplits:
    """The splits that load, in the data set's order, and by name why others do not, as text."""

    splits: tuple[Split, ...]
    reasons: Mapping[str, str]

    def need_some(self) -> LoadedSplits:
        """Return this object. Raises `DatasetError` with all reasons if no split loads."""
        if not self.splits:
            raise DatasetError("\n".join(dict.fromkeys(self.reasons.values())) or "the data set names no split")
        return self


def load_splits(dataset: Dataset, *, who: str, progress: Progress) -> LoadedSplits:
    """Load each split, its files unchecked; `who` is named if the part itself fails.

    Raises `PartError` then, and `FdakitError` if the data set cannot name its splits.
    """
    splits: list[Split] = []
    reasons: dict[str, str] = {}
    with attribute_errors(who, "while naming its splits"):
        names = dataset.splits()
    for name in names:
        try:
            with attribute_errors(who, f"while loading split {name!r}"):
                splits.append(dataset.load(name, progress))
        except PartError:
            raise
        except FdakitError as error:
            reasons[name] = str(error)
    return LoadedSplits(tuple(splits), reasons)


def load_without_videos(part: Part[Dataset], shapes: BuildContext, *, progress: Progress) -> LoadedSplits:
    """Return `load_splits` of a data set whose video folder may be absent; then all videos are.

    Captions are loaded anyway. This works if the data set names the folder in `sources()` and has an option of the
    same name for it.
    """
    dataset = part.build(shapes)
    if not isinstance(dataset, ListsSources) or not Path(dataset.root).is_dir():
        return load_splits(dataset, who=str(part.offer), progress=progress)
    root, sources = Path(dataset.root), dataset.sources()
    fields = type(part.options).model_fields
    for source in sources:
        unset = source.path in fields and getattr(part.options, source.path) is None
        if unset and is_folder(source) and locate_source(root, source) is None:
            # Any existing folder will do to list the videos; then each gets its intended path.
            there = replace(part, options=part.options.model_copy(update={source.path: root}))
            loaded = load_splits(there.build(shapes), who=str(part.offer), progress=progress)
            return replace(loaded, splits=tuple(_moved(split, root / source.path) for split in loaded.splits))
    return load_splits(dataset, who=str(part.offer), progress=progress)


def _moved(split: Split, folder: Path) -> Split:
    return replace(split, videos=tuple(replace(video, path=folder / video.path.name) for video in split.videos))
