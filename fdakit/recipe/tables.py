"""The tables of a recipe: which parts and settings it names, and the keys that fdakit adds to parts."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from fdakit.choices import Control
from fdakit.plugin.component import Options
from fdakit.settings import EvalSettings, FrameStoreSettings, LoaderSettings, TrainSettings, ViewSettings


class DatasetKeys(Options):
    """What fdakit itself adds to any `[dataset]`."""

    allow_missing: bool = Field(False, description="leave out videos whose file is missing, with a warning")


class MaskKeys(Options):
    """What fdakit itself adds to any `[mask]`."""

    control: Control = Field("none", description="replaces the finished mask")


class ObjectiveKeys(Options):
    """What fdakit itself adds to any `[[objective]]`."""

    weight: float = Field(1.0, gt=0, description="factor of this objective in the sum")


class NoKeys(Options):
    """Tables to which fdakit adds nothing."""


SETTINGS: Mapping[str, type[Options]] = {
    "view": ViewSettings,
    "loader": LoaderSettings,
    "frame_store": FrameStoreSettings,
    "train": TrainSettings,
    "eval": EvalSettings,
}
SINGLE: Mapping[str, tuple[str | None, type[Options]]] = {
    "dataset": (None, DatasetKeys),
    "sampler": ("fdakit:uniform", NoKeys),
    "reader": ("fdakit:pyav", NoKeys),
    "mask": ("fdakit:frame-difference", MaskKeys),
    "encoder": (None, NoKeys),
    "fusion": ("fdakit:alpha-conv", NoKeys),
    "aggregator": ("fdakit:mean", NoKeys),
    "matcher": ("fdakit:cosine", NoKeys),
    "batcher": ("fdakit:distinct-videos", NoKeys),
    "optimiser": ("fdakit:adamw", NoKeys),
}
LISTS: Mapping[str, tuple[tuple[str, ...], type[Options]]] = {
    "objective": (("fdakit:symmetric-contrastive",), ObjectiveKeys),
    "observer": (("fdakit:console", "fdakit:jsonl"), NoKeys),
    "metric": ((), NoKeys),
}


def own_keys(kind: str) -> type[Options]:
    """Return the keys that fdakit adds to every table of a kind of part."""
    known = {**SINGLE, **LISTS}
    return known[kind][1] if kind in known else NoKeys


TOP = ("name", "seed", *SINGLE, *LISTS, *SETTINGS)
