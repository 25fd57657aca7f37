"""What decides the clips of a data set: its parts, and the settings of reading, transforming and keeping them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fdakit.catalog import Part
from fdakit.choices import Control
from fdakit.plugin.contracts import FrameSampler, Reader
from fdakit.recipe.recipe import Recipe
from fdakit.settings import FrameStoreSettings, LoaderSettings, ViewSettings


@dataclass(frozen=True)
class ClipSettings:
    """Parts and settings of one recipe for `ClipDataset`; `about` is told in the frame store."""

    sampler: Part[FrameSampler]
    reader: Part[Reader]
    mask: Part[Any]
    control: Control
    view: ViewSettings
    loader: LoaderSettings
    frame_store: FrameStoreSettings
    seed: int
    about: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Recipe) -> ClipSettings:
        """Return those of a recipe."""
        return cls(
            sampler=recipe.sampler,
            reader=recipe.reader,
            mask=recipe.mask,
            control=recipe.control,
            view=recipe.view,
            loader=recipe.loader,
            frame_store=recipe.frame_store,
            seed=recipe.seed,
            about={"recipe": recipe.name, "dataset": recipe.dataset.name},
        )
