"""The splits of a recipe's data set, checked for absent files before anything starts."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from fdakit.dataset_files.video_files import is_there
from fdakit.errors import DatasetError, attribute_errors
from fdakit.plugin.contracts import Dataset, Progress
from fdakit.recipe.build_context import base_shapes
from fdakit.recipe.recipe import Recipe
from fdakit.values import Split, VideoRef

if TYPE_CHECKING:
    import torch


class Splits:
    """The splits of a recipe's data set, checked for absent files before anything starts."""

    def __init__(self, recipe: Recipe, *, device: torch.device, progress: Progress) -> None:
        self._recipe = recipe
        self._progress = progress
        self._listed: dict[str, Split] = {}
        self._dataset: Dataset = recipe.dataset.build(base_shapes(recipe, device))

    def names(self) -> tuple[str, ...]:
        """Return the existing splits. Raises `DatasetError` if the data set fails to list them."""
        with attribute_errors(str(self._recipe.dataset.offer), "while naming its splits"):
            return self._dataset.splits()

    def load(self, name: str) -> Split:
        """Return the split with every file checked. Raises `DatasetError` if it is empty or files are absent."""
        return self._check_files(self.listed(name))

    def listed(self, name: str) -> Split:
        """Return the split as the data set lists it, read once, without a check of files.

        Raises `DatasetError` if it is empty.
        """
        if name not in self._listed:
            self._listed[name] = self._read(name)
        return self._listed[name]

    def _read(self, name: str) -> Split:
        if name not in self.names():
            close = get_close_matches(name, self.names(), n=1)
            guess = f"did you mean {close[0]!r}? " if close else ""
            raise DatasetError(
                f"split {name!r}: the data set has none; it has: {', '.join(self.names()) or 'nothing'}; {guess}"
                "name one of them (eval.split for the report), or correct the data set's table"
            )
        with attribute_errors(str(self._recipe.dataset.offer), f"while loading split {name!r}"):
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
