"""What parts may offer beside their contract: one small Protocol each, asked for by `isinstance`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from fdakit.features import TextFeatures
from fdakit.values import Batch

from .contracts import TextRole
from .observers import StepInfo

if TYPE_CHECKING:
    import torch


@runtime_checkable
class InnerProduct(Protocol):
    """A matcher whose score is an inner product, so that an index can search its vectors."""

    def product_vectors(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return vectors `(n, d)` whose inner products are the scores, of `(n, d)` of texts or of videos."""
        ...


@runtime_checkable
class TextRoles(Protocol):
    """An encoder whose texts differ by role; `instructions` are what it puts before them, for the report.

    Evaluation encodes captions as queries from text to video, and as documents from video to text.
    """

    asymmetric: bool
    instructions: Mapping[TextRole, str]


@runtime_checkable
class ObservesSteps(Protocol):
    """An observer that is told of every step; `True` asks the run to stop after it, as Ctrl-C does."""

    def step_finished(self, step: StepInfo) -> bool | None:
        """Return True to stop the training; its state is saved, and it can be resumed."""
        ...


@runtime_checkable
class OverPairs(Protocol):
    """An objective that is a mean over pairs, so that every process can take its own; the default is the batch."""

    over: Literal["pairs", "batch"]

    def count(self, texts: TextFeatures, batch: Batch) -> torch.Tensor | float:
        """Return how many things the mean is over: pairs, or tokens."""
        ...
