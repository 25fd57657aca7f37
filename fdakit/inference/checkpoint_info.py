"""The content of checkpoint.json and of training.pt, validated before use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

import torch
from pydantic import BaseModel, ConfigDict, Field

from fdakit.report.evaluation_report import BothMetrics
from fdakit.system.json_records import Count, JsonRecord, Texts

GIVEN = "given weights"


class TrainingData(JsonRecord):
    """The videos trained on; `shared` counts those that each split of the run has in common with them."""

    published: Count | None
    counted: Count
    missing: Count
    id_hash: str = ""
    remarks: Texts
    shared: Mapping[str, Count]


class TrainingDamage(JsonRecord):
    """The reason by id of each video that training left out, or of which it used the decodable frames."""

    skipped: Mapping[str, str] = {}
    repaired: Mapping[str, str] = {}


class CheckpointInfo(JsonRecord):
    """The content of checkpoint.json: the step of the weights, how they were chosen, what is known of their training.

    The defaults are what is known of weights that no run of fdakit saved. `chosen_on` is the split that was used to
    choose them, `validation` the metrics there, `finding` the warning of `collapse_warning`, `stopped_early` why the
    training ended before its last step. `random_weights`: the encoder's weights are random and nothing was trained.
    """

    epoch: Count | None = None
    step: Count | None = None
    chosen_by: str = GIVEN
    chosen_on: str | None = None
    damage: TrainingDamage = TrainingDamage()
    training: TrainingData | None = None
    finding: str = ""
    stopped_early: str = ""
    random_weights: bool = False
    validation: BothMetrics | None = None


class TrainingState(BaseModel):
    """The part of training.pt that is the same for every recipe. Older files lack some keys, newer ones have more.

    `position` is epoch, step and steps done; `best` the quality of the best checkpoint so far, empty if there is
    none; `start` the fingerprint of the run's inputs and `changed` what changed in them since; `weights` the digest
    of the weights that the state belongs to.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, arbitrary_types_allowed=True)

    optimiser: Mapping[str, Any] = {}
    objectives: Mapping[str, Any] = {}
    position: Annotated[list[Count], Field(min_length=3, max_length=3)]
    losses: list[float] = []
    rng: torch.Tensor
    best: Annotated[list[float], Field(max_length=2)] = []
    damage: Mapping[str, Mapping[str, str]] = {}
    weights: str | None = None
    history: list[dict[str, int | float]] | None = None
    start: Mapping[str, Any] | None = None
    changed: Texts = ()

    def for_trainer(self) -> Mapping[str, Any]:
        """Return the keys that the file holds, for `Trainer.restore`."""
        return {name: value for name, value in self if name in self.model_fields_set}

    def with_changes(self, changes: list[str]) -> Self:
        """Return the state of a run whose inputs have changed as told."""
        return self.model_copy(update={"changed": (*self.changed, *changes)})
