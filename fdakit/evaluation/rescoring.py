"""Rescorers by their labels, and their rows in a report, always separate from the result itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fdakit.catalog import Catalog, Part
from fdakit.errors import RecipeError, attribute_errors
from fdakit.plugin.component import BuildContext
from fdakit.plugin.contracts import Direction, Rescorer
from fdakit.recipe.labels import labelled_part
from fdakit.report.evaluation_report import Metrics, RescoredMetrics
from fdakit.values import Scores


def rescorers(labels: Sequence[str], *, catalog: Catalog) -> tuple[Part[Rescorer], ...]:
    """Return the rescorers of `"NAME KEY=VALUE ..."` labels. Raises `RecipeError` with all faults."""
    parts: list[Part[Rescorer]] = []
    faults: list[str] = []
    for label in labels:
        try:
            parts.append(labelled_part("rescorer", label, option="--rescore", catalog=catalog))
        except RecipeError as error:
            faults += error.faults
    if faults:
        raise RecipeError(faults)
    return tuple(parts)


def rescored_rows(
    rescoring: Sequence[Part[Rescorer]],
    scores: Mapping[Direction, Scores],
    bank: NDArray[np.float32] | None,
    measured: Callable[[Scores, Direction], Metrics],
    *,
    seed: int = 0,
) -> dict[str, RescoredMetrics]:
    """Return a labelled row for each rescorer: options, requirements, and metrics of its directions.

    `scores` are those of each direction. A rescorer that is listed twice is numbered.
    """
    found: dict[str, RescoredMetrics] = {}
    for place, part in enumerate(rescoring):
        rescorer = part.build(BuildContext(seed=seed))
        before = sum(other.name == part.name for other in rescoring[:place])
        with attribute_errors(str(part.offer), "while rescoring"):
            found[f"{part.name} {before + 1}" if before else part.name] = RescoredMetrics(
                options=part.options.model_dump(mode="json"),
                needs_all_queries=bool(rescorer.needs_all_queries),
                **{
                    way: measured(
                        _finite(rescorer(_untouchable(scores[way]), bank if rescorer.needs_bank else None, way)), way
                    )
                    for way in rescorer.directions
                },
            )
    return found


def _finite(scores: Scores) -> Scores:
    """Return the scores. Raises `ValueError` if one of a readable video is not finite."""
    if not np.isfinite(scores.matrix[:, ~scores.lost]).all():
        raise ValueError("gave scores that are not finite")
    return scores


def _untouchable(scores: Scores) -> Scores:
    """Return the scores as a rescorer is given them: writing into them is its error."""
    matrix = scores.matrix.view()
    matrix.flags.writeable = False
    return replace(scores, matrix=matrix)
