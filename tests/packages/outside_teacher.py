"""Distillation: the student ranks the videos of a batch as a teacher's similarities do.

The file holds the teacher's similarities of the training split, a row a caption and a column a video. Source: Hinton
et al., *Distilling the Knowledge in a Neural Network*, arXiv 1503.02531.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fdakit.plugin import (
    BuildContext,
    Component,
    DatasetError,
    Objective,
    Options,
    PairFeatures,
    TrainingPairs,
    hookimpl,
)

if TYPE_CHECKING:
    import torch


class TeacherOptions(Options):
    """The teacher's similarities, and how sharply both are compared."""

    similarities: Path = Field(description="array of captions by videos of the training split (.npy)")
    scale: float = Field(20.0, gt=0, description="factor on both similarities before the softmax")


class Teacher:
    """Cross-entropy of the student's softmax over the videos against the teacher's."""

    def __init__(self, similarities: Path, scale: float) -> None:
        self.path, self.scale = similarities, scale

    @cached_property
    def _file(self) -> NDArray[np.float32]:
        try:
            return np.asarray(np.load(self.path, mmap_mode="r"))
        except (OSError, ValueError) as error:
            raise DatasetError(f"{self.path.absolute()}: not an array ({error}); save it with numpy.save") from error

    def extra(self, pairs: TrainingPairs) -> Mapping[str, NDArray[Any]]:
        """Return the teacher's row of each caption, and the column of each video."""
        return {"teacher": np.asarray(self._file[pairs.places], np.float32), "column": pairs.videos}

    def __call__(self, pairs: PairFeatures) -> Mapping[str, torch.Tensor]:
        """Return the loss `teacher`, of both similarities `(q, v)` among the videos of the batch."""
        extra, scores = pairs.batch.extra, pairs.scores
        taught = extra["teacher"][:, extra["column"]].to(scores.device)
        wanted = (self.scale * taught).softmax(1)
        return {"teacher": -(wanted * (self.scale * scores).log_softmax(1)).sum(1).mean()}


def build(options: TeacherOptions, shapes: BuildContext) -> Objective:
    """Return the objective, which has read nothing yet."""
    return Teacher(options.similarities, options.scale)


TEACHER = Component("teacher", "what a teacher's similarities say", TeacherOptions, build)


@hookimpl
def fdakit_objectives() -> Iterable[Component[Any, Objective]]:
    return (TEACHER,)
