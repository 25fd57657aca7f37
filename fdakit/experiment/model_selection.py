"""Validation during training: which epoch's weights are the best so far."""

from __future__ import annotations

from collections.abc import Sequence

from fdakit.evaluation.evaluator import Evaluator
from fdakit.evaluation.make_report import both_metrics
from fdakit.model.retriever import Retriever
from fdakit.plugin.contracts import DIRECTIONS
from fdakit.recipe.recipe import Recipe
from fdakit.report.evaluation_report import BothMetrics, in_direction
from fdakit.system.ranks import Ranks

VALIDATION = "val"
BY_VALIDATION = "best R@1 text to video on the validation split"
BY_LAST = "last epoch (no validation split)"


class ModelSelection:
    """The best epoch of a training by the validation split, or the last if there is no such split.

    `best` is the quality of the best checkpoint so far: R@1 text to video, then the mean rank; None if there is none.
    """

    def __init__(self, recipe: Recipe, validation: Evaluator | None, *, ranks: Ranks) -> None:
        self.best: Sequence[float] | None = None
        self._recipe, self._validation, self._ranks = recipe, validation, ranks

    @property
    def measures(self) -> bool:
        """Whether there is a validation split."""
        return self._validation is not None

    def measure(self, retriever: Retriever) -> BothMetrics | None:
        """Return the metrics of the current weights on the validation split; None if there is none."""
        if self._validation is None:
            return None
        evaluator, encoded = self._validation, self._validation.encode(retriever)

        def scored() -> BothMetrics:
            assert encoded is not None  # as rank 0 asks
            rankings = evaluator.score(retriever, encoded).rankings[self._recipe.control]
            return both_metrics(rankings, self._recipe.eval.ties)

        return self._ranks.by_first(scored)

    def is_best(self, measured: BothMetrics | None, *, last: bool) -> bool:
        """Note the quality of the best checkpoint so far, and return whether it is the current one."""
        if measured is None:
            return last
        quality = quality_of(measured)
        if self.best is not None and quality <= list(self.best):
            return False
        self.best = quality
        return True


def quality_of(measured: BothMetrics) -> list[float]:
    """Return R@1 text to video and the negative mean rank: the larger, the better."""
    return [measured.t2v["R@1"], -measured.t2v["MnR"]]


def validation_facts(measured: BothMetrics | None) -> dict[str, float]:
    """Return the metrics as observers receive them."""
    if measured is None:
        return {}
    return {f"val_{way}_{name}": value for way in DIRECTIONS for name, value in in_direction(measured, way).items()}
