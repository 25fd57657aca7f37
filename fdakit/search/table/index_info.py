"""What an index is of: the model whose vectors it holds, and how videos are cut into segments."""

from __future__ import annotations

from typing import Literal

from fdakit.system.json_records import Count, JsonRecord, Texts

SCHEMA = 1
"""Raised with every change of the table's columns."""


class ModelIdentity(JsonRecord):
    """The model of an index: `name` as the user gave it, `origin` the folder of its weights, or "" for a recipe.

    `weights` is the digest of all weights, `parts` that of everything else that decides a vector: sampler, reader,
    view, mask, fusion, aggregator and matcher, with their options. `recipe` is the resolved recipe.
    """

    name: str
    origin: str = ""
    settings: Texts = ()
    weights: str
    parts: str
    recipe: str
    width: Count
    stores: Literal["vector", "vectors"] = "vector"

    @property
    def several(self) -> bool:
        """Whether a segment has several vectors."""
        return self.stores == "vectors"


class Segmentation(JsonRecord):
    """How videos are cut: windows of `window` seconds every `step`, within shots if `cuts`.

    Segments of which the mask marks less than `skip_still`, a share of the frame, have no vector.
    """

    window: float = 10.0
    step: float = 5.0
    cuts: bool = False
    skip_still: float = 0.0


WHOLE = Segmentation(window=1e9, step=1e9)
"""A video is one segment, however long."""


class IndexInfo(JsonRecord):
    """What the table's schema carries; `schema_number` says which columns it has."""

    schema_number: Count = SCHEMA
    model: ModelIdentity
    segmentation: Segmentation = Segmentation()
    fdakit: str = ""
    created: str = ""
