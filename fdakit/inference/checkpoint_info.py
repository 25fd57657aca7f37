"""The schemas of checkpoint.json and training.pt, validated before use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fdakit.errors import CheckpointError

Count = Annotated[int, Field(ge=0)]
Reasons = dict[str, str]


class Training(BaseModel):
    """The training data, as `trained_on` describes it."""

    model_config = ConfigDict(extra="allow", strict=True)

    published: Count | None
    counted: Count
    missing: Count
    remarks: list[str]
    shared: dict[str, Count]


class CheckpointInfo(BaseModel):
    """The content of checkpoint.json. Older and newer files have fewer and more keys."""

    model_config = ConfigDict(extra="allow", strict=True)

    epoch: Count | None = None
    step: Count | None = None
    chosen_by: str = ""
    chosen_on: str | None = None
    damage: dict[str, Reasons] = {}
    training: Training | None = None
    finding: str = ""
    random_weights: bool = False


class State(BaseModel):
    """The part of training.pt that is the same for every recipe, for `Trainer.restore` and the run."""

    model_config = ConfigDict(extra="allow", strict=True, arbitrary_types_allowed=True)

    optimiser: dict[str, Any] = {}
    objectives: dict[str, Any] = {}
    position: Annotated[list[Count], Field(min_length=3, max_length=3)]
    losses: list[float] = []
    rng: torch.Tensor
    best: Annotated[list[float], Field(max_length=2)] = []
    damage: dict[str, Reasons] = {}
    weights: str | None = None
    history: list[dict[str, float]] | None = None


def validate_state(found: Any, model: type[BaseModel], path: Path, *, advice: str) -> dict[str, Any]:
    """Return the values if they fit the model. Raises `CheckpointError` naming what does not."""
    try:
        model.model_validate(found)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "it"
        raise CheckpointError(f"{path.absolute()}: {where}: {fault['msg'].lower()}; {advice}") from error
    return dict(found)
